package alarmtriage_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMake_HelpNamesEveryTarget(t *testing.T) {
	text, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	phony := regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindSubmatch(text)
	require.NotNil(t, phony)
	command := exec.Command("make", "--no-print-directory", "help")
	command.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	help, err := command.CombinedOutput()
	require.NoError(t, err, "%s", help)
	for target := range strings.FieldsSeq(string(phony[1])) {
		assert.Regexp(t, `(?m)^make `+target+` +\S+`, string(help), "a description after ## is missing")
	}
}
