package alarmtriage

// NewAlarmTriageAt is NewAlarmTriage at a given time. The time determines which models are retired.
var NewAlarmTriageAt = newAlarmTriage
