// Package plural writes numbers with their nouns.
package plural

import "fmt"

// Of returns a number with its noun, such as "1 alarm" or "2 alarms". The plural of the noun ends with s.
func Of(n int, noun string) string { return Either(n, noun, noun+"s") }

// Either returns a number with one of two nouns, such as "1 query" or "2 queries".
func Either(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
