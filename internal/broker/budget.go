package broker

import "sync"

// budget is the memory that the requests of all connections may take together. The code in the sandbox decides
// how many requests it begins, and how much of each it sends.
type budget struct {
	mu   sync.Mutex
	left int // bytes
}

// take takes bytes and reports whether there were enough.
func (b *budget) take(bytes int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes > b.left {
		return false
	}
	b.left -= bytes
	return true
}

// giveBack returns bytes that were taken.
func (b *budget) giveBack(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += bytes
}
