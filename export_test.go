package alarmtriage

import "github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"

// NewAlarmTriageAt is NewAlarmTriage at a given time. The time determines which models are retired.
var NewAlarmTriageAt = newAlarmTriage

// IsExactModelID reports whether the catalog contains exactly this ID.
func IsExactModelID(id string) bool { return isExact(models.Parse(id), models.Lookup(id)) }
