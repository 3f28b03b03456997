// Package lazy delays the compilation of regular expressions. The tool compiles an expression only when a call needs it,
// because a cold start waits for everything that a program does before its main function.
package lazy

import (
	"os"
	"regexp"
	"strings"
	"sync"
)

// isTest is true in the binary of a test, which reports every wrong expression when it starts.
var isTest = strings.HasSuffix(os.Args[0], ".test")

// Regexp returns a function that compiles an expression when it is first called. It panics if the expression is wrong.
func Regexp(expression string) func() *regexp.Regexp {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
	if isTest {
		compiled()
	}
	return compiled
}
