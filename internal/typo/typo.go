// Package typo measures how much names differ, and finds the name that somebody probably meant.
package typo

import "strings"

// maxDistance is the number of changed letters up to which a name counts as a typo of another one.
const maxDistance = 3

// Nearest returns the first of the candidates that differs least from a name, ignoring case, or an empty string if all
// differ by more than a few letters.
func Nearest(name string, candidates []string) (nearest string) {
	least := maxDistance + 1
	for _, candidate := range candidates {
		if d := Distance(strings.ToLower(name), strings.ToLower(candidate)); d < least {
			nearest, least = candidate, d
		}
	}
	return nearest
}

// Distance returns the number of letters to insert, remove, or replace to make one ASCII text the other.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
