// Command regions writes the list of the Regions that CDK knows, a Region per line, to a file:
//
//	go run ./scripts/regions internal/models/regions.txt
//
// The construct does not ask CDK during a synth, because that takes a tenth of a second.
package main

import (
	"log"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/regioninfo"
	"github.com/aws/jsii-runtime-go"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run ./scripts/regions FILE")
	}
	defer jsii.Close()
	var names []string
	for _, region := range *regioninfo.RegionInfo_Regions() {
		names = append(names, *region.Name())
	}
	slices.Sort(names)
	if err := os.WriteFile(os.Args[1], []byte(strings.Join(names, "\n")+"\n"), 0o644); err != nil {
		log.Fatal(err)
	}
}
