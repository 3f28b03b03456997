package logbuffer_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/logbuffer"
)

func TestBuffer_KeepsEveryLineOfParallelWriters(t *testing.T) {
	var buffer logbuffer.Buffer
	var writers sync.WaitGroup
	for writer := range 8 {
		writers.Go(func() {
			for line := range 100 {
				fmt.Fprintf(&buffer, "%d:%d\n", writer, line)
				_ = buffer.String()
			}
		})
	}
	writers.Wait()
	lines := strings.Split(strings.TrimSpace(buffer.String()), "\n")
	assert.Len(t, lines, 800)
	assert.Contains(t, lines, "7:99")
}

func TestBuffer_DropsOlderTextAtItsBound(t *testing.T) {
	buffer := logbuffer.Buffer{MaxBytes: 8}
	fmt.Fprint(&buffer, "12345")
	fmt.Fprint(&buffer, "678")
	assert.Equal(t, "12345678", buffer.String())
	fmt.Fprint(&buffer, "9")
	assert.Equal(t, "9", buffer.String())
}
