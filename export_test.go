package alarmtriage

// NewAlarmTriageAt is NewAlarmTriage at a given time, which decides which models are retired.
var NewAlarmTriageAt = newAlarmTriage
