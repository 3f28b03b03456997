// Package logbuffer provides an in-memory buffer for the output of another process or goroutine. The buffer can
// be read while the other side writes to it.
package logbuffer

import (
	"bytes"
	"sync"
)

// Buffer is a bytes.Buffer that several goroutines may use. Its zero value is empty and keeps everything.
type Buffer struct {
	// MaxBytes bounds the buffer: a write that would exceed it drops the older text first. 0: no bound.
	MaxBytes int

	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends p. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.MaxBytes > 0 && b.text.Len()+len(p) > b.MaxBytes {
		b.text.Reset()
	}
	return b.text.Write(p)
}

// String returns the text that the buffer holds.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
