package provenance

import (
	"testing"
	"time"
)

// A delete marker of S3 is a separate record, also if it is the only one in a list of versions.
func TestJudge_DeleteMarkerIsARecord(t *testing.T) {
	answer := `<ListVersionsResult><Name>shop-data</Name>` +
		`<DeleteMarker><Key>invoices.csv</Key><IsLatest>true</IsLatest><LastModified>2026-01-15T03:10:00.000Z</LastModified></DeleteMarker>` +
		`<Version><Key>orders.csv</Key><IsLatest>true</IsLatest><LastModified>2025-12-01T09:30:00.000Z</LastModified></Version></ListVersionsResult>`
	for quote, want := range map[string]bool{
		"orders.csv 2026-01-15T03:10:00.000Z": false, "orders.csv 2025-12-01T09:30:00.000Z": true, "invoices.csv 2026-01-15T03:10:00.000Z": true,
	} {
		var r Recorder
		r.Record(Exchange{Operation: "s3:ListObjectVersions", URL: "https://shop-data.s3.us-east-1.amazonaws.com/?versions", Status: 200, Answer: []byte(answer)})
		observed, text := r.Judge(quote, time.Time{}), NewText(quote)
		if found := text.Find(quote, false); len(found) != 1 || text.IsObserved(found[0], observed) != want {
			t.Errorf("%q: observed %v, want %v", quote, !want, want)
		}
	}
}
