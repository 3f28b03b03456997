package alarmtriage

// NewAlarmTriageAt is NewAlarmTriage at a given time.
var NewAlarmTriageAt = newAlarmTriage
