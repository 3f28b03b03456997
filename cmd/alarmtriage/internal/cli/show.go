package cli

import "fmt"

// show prints an error on one line. Errors contain texts of AWS, so control characters are removed.
func (a *App) show(err error) {
	fmt.Fprintf(a.Err, "alarmtriage: %s\n", oneLine(err.Error()))
}
