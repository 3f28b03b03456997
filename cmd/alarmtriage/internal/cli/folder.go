package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/steps"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
)

// Names of the files in the folder of a report.
const (
	textFile         = "report.txt"
	pageFile         = "report.html"
	jsonFile         = "report.json"
	conversationFile = "conversation.json"
	cardFile         = "card.json"
)

// reportsFolder is where the folders of reports are created, unless --out names a folder.
const reportsFolder = "alarmtriage-reports"

// folderOfReports returns the folder in which the folders of reports are.
func (f *investigateFlags) folderOfReports() string {
	if f.out != "" {
		folder, err := filepath.Abs(f.out) // "." has a name then, and a slash at the end is none
		if err != nil {
			return filepath.Dir(filepath.Clean(f.out))
		}
		return filepath.Dir(folder)
	}
	return reportsFolder
}

// makeFolder creates the folder of a report: out, or a new one for the investigation below reportsFolder.
func makeFolder(out string, rec *investigation.Record) (string, error) {
	if out != "" {
		return out, os.MkdirAll(out, 0o700)
	}
	if err := os.MkdirAll(reportsFolder, 0o700); err != nil {
		return "", err
	}
	key := strings.TrimSuffix(filepath.Base(store.KeysFor(rec).Text), "-"+rec.ID+".txt") // such as 130501-my-alarm
	name := filepath.Join(reportsFolder, rec.StartedAt.UTC().Format("20060102-")+key)
	err := os.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrExist) {
		name += "-" + rec.ID
		err = os.Mkdir(name, 0o700)
	}
	return name, err
}

// checkFolder checks that files can be written to a folder, which it creates. A model costs money, so it is not asked before.
func checkFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return notWritten(err)
	}
	file, err := os.CreateTemp(folder, ".alarmtriage-*")
	if err != nil {
		return notWritten(err)
	}
	_, err = file.Write(make([]byte, leastSpace))
	if err := errors.Join(err, file.Close(), os.Remove(file.Name())); err != nil {
		return notWritten(err)
	}
	return nil
}

// leastSpace is how many bytes of a disk must be free: a full one also accepts an empty file.
const leastSpace = 1 << 20

// notWritten returns the problem of a report that cannot be written.
func notWritten(err error) error {
	return &Problem{Code: Failed, What: fmt.Sprintf("the report cannot be written (%v)", err), Remedy: "choose another folder with --out", Err: err}
}

// writeFolder writes the forms of the report and the conversation to a folder. Reports can contain what log lines contain,
// so only the user may read them.
func writeFolder(folder string, forms []steps.Form, card []byte) error {
	if card != nil {
		forms = append(forms, steps.Form{Key: cardFile, Body: card})
	}
	for _, form := range forms {
		if err := replaceFile(filepath.Join(folder, form.Key), form.Body); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return nil
}

// replaceFile writes a file that only the user may read. A link with its name, which a folder of somebody else can have, is
// replaced and not followed.
func replaceFile(path string, body []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".alarmtriage-*")
	if err != nil {
		return err
	}
	_, err = file.Write(body)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// readFile returns a file of a report, which may come from somebody else: it is neither a device nor a pipe, and has at
// most this number of bytes.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a file")
	}
	if info.Size() > most {
		return nil, fmt.Errorf("it has more than %d bytes", most)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	return raw, nil
}

// folderKeys are the names of the forms in a folder.
func folderKeys() report.Keys {
	return report.Keys{Text: textFile, HTML: pageFile, JSON: jsonFile, Conversation: conversationFile}
}

// openPage opens a file with the program that the user's desktop has for it.
func openPage(path string) error {
	name, arguments := "xdg-open", []string{path}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, arguments = "rundll32", []string{"url.dll,FileProtocolHandler", path}
	}
	if err := exec.Command(name, arguments...).Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
