package broker

import "sync"

// budget is the memory that the requests of all connections may take together, or their answers. The code in the sandbox decides
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

// keeper keeps the beginning of an answer while it is forwarded. Without memory for more, it keeps less, because the code may wait
// with reading an answer until it has others.
type keeper struct {
	budget *budget
	most   int // bytes
	data   []byte
	taken  int  // bytes of the budget
	isCut  bool // the answer has more than data
}

// add keeps the next bytes of the answer.
func (k *keeper) add(next []byte) {
	if k.isCut {
		return
	}
	part := next[:min(len(next), k.most-len(k.data))]
	if need := len(k.data) + len(part); need > cap(k.data) {
		size := min(max(need, 2*cap(k.data)), k.most)
		// The first bytes, which have the code of an error, are not counted.
		if more := max(size-maxBeginning, 0) - k.taken; more > 0 && k.budget.take(more) {
			k.taken += more
		} else if more > 0 {
			part = part[:max(min(len(part), maxBeginning-len(k.data)), 0)]
			size = len(k.data) + len(part)
		}
		k.data = append(make([]byte, 0, size), k.data...) // slices.Grow can reserve more than that
	}
	k.data = append(k.data, part...)
	k.isCut = len(part) < len(next)
}

// release returns the memory to the budget.
func (k *keeper) release() {
	k.budget.giveBack(k.taken)
	k.taken = 0
}
