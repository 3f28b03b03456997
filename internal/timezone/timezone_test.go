package timezone

import (
	"archive/zip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoad_KnowsTheNamesOfTheEmbeddedDatabaseOnly(t *testing.T) {
	for _, name := range []string{"", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata"} {
		_, err := Load(name)
		assert.NoError(t, err, name)
	}
	// Many machines have files with these names, in /usr/share/zoneinfo.
	for _, name := range []string{"posix/Europe/Berlin", "right/Europe/Berlin", "localtime", "posixrules", "Local", "europe/berlin", "Europe/Berlin ", "../localtime"} {
		_, err := Load(name)
		assert.ErrorContains(t, err, "use an IANA name such as Europe/Berlin", name)
	}
}

func TestNames_AreThoseOfGo(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	database, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	require.NoError(t, err)
	defer func() { _ = database.Close() }()
	var known []string
	for _, file := range database.File {
		if !strings.HasSuffix(file.Name, "/") {
			known = append(known, file.Name)
		}
	}
	assert.Subset(t, known, names())
}
