// Command write writes this checkout's modules into a directory for GOPROXY=file://DIR, see package modproxy.
//
//	go run ./local/modproxy/write DIR VERSION
package main

import (
	"fmt"
	"os"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/modproxy"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: write DIR VERSION, in the root of the checkout")
		os.Exit(2)
	}
	if err := modproxy.Write(os.Args[1], ".", os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
