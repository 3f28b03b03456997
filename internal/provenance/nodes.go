package provenance

import (
	"math"
	"slices"
	"strings"
)

// node is a record, or an object or a list in a list within a record, such as an instance of an Auto Scaling group. Its
// values are combined with those around the list, but not with those of the other objects in it. The first node of a
// record is the record.
//
// An object of one value counts as a value of what is around the list, and so does an object of a name and a value, such as a tag,
// with its name as the name of the value, unless another object in the list has more.
type node struct {
	parent   int32
	list     int     // position of the list that has it
	keys     []int32 // names of its fields
	pieces   []piece // parts of the output that match its values
	count    int     // values
	children int
	pairKey  int32  // the field of the name in an object of a name and a value, or -1
	pairName string // the name itself
	isMerged bool   // counts as a value of its parent
	isPair   bool   // is a name and a value
	name     int32  // of a pair: the key that has its name
}

// list is what is known about the objects in a list within a record.
type list struct {
	isMixed  bool // one of them is a record
	isMerged bool // one of them has at most one value
}

// pairNames are the fields, in lower case, that contain the name in an object of a name and a value.
var pairNames = map[string]bool{"key": true, "name": true, "tagkey": true, "field": true}

// addKey adds the name of a field.
func (m *matcher) addKey(k key) int32 {
	at := int32(len(m.keys))
	m.keys = append(m.keys, k)
	if m.inRecord > 0 {
		m.nodes[m.node].keys = append(m.nodes[m.node].keys, at)
	} else if len(m.outer) < maxOuter {
		m.addField(m.outer, folded(k.name), k.parent)
	}
	return at
}

// keysFrom returns the keys from one on.
func (m *matcher) keysFrom(first int32) (list []int32) {
	for key := first; key < int32(len(m.keys)); key++ {
		list = append(list, key)
	}
	return list
}

func (m *matcher) beginRecord() {
	m.nodes, m.node, m.isSplit, m.pieces = append(m.nodes[:0], node{parent: -1, pairKey: -1}), 0, false, 0
	m.lists = m.lists[:0]
	m.records++
	m.quickEnd = m.steps + maxQuick
}

func (m *matcher) enterNode() {
	m.isSplit = true
	if m.nodes[m.node].children == 0 {
		m.endMerged()
	}
	m.endGroup(false)
	if n := len(m.group); n > 0 && m.group[n-1].id == closed {
		m.group[n-1].id = border // between two objects
	}
	m.nodes[m.node].children++
	m.nodes = append(m.nodes, node{parent: m.node, list: m.containers[len(m.containers)-1].number, pairKey: -1})
	m.node = int32(len(m.nodes) - 1)
}

// countValue counts a value of a node, and remembers whether it is the name of another value.
func (m *matcher) countValue(plain string, key int32, isSent bool) {
	if m.inRecord == 0 {
		return
	}
	n := &m.nodes[m.node]
	n.count++
	if key >= 0 && pairNames[strings.ToLower(m.keys[key].name)] {
		n.pairKey, n.pairName = key, plain
		if isSent || len(plain) > maxName {
			n.pairName = ""
		}
	}
}

// endMerged adds the border before the current node if the object before it in the list had one value, and so no border yet.
func (m *matcher) endMerged() {
	if m.lists[m.nodes[m.node].list].isMerged {
		m.group = slices.Insert(m.group, m.before, token{id: border, other: unknownWord})
		m.before++
	}
}

func (m *matcher) leaveNode() {
	n := &m.nodes[m.node]
	if n.children == 0 {
		n.isMerged = n.count <= 1
		n.isPair = m.valueOfPair(n) >= 0
		if !n.isMerged && !n.isPair {
			m.endMerged()
		}
	}
	m.endGroup(false)
	n = &m.nodes[m.node]
	pair := m.node
	m.node = n.parent
	switch {
	case n.isMerged:
		m.lists[n.list].isMerged = true
		m.nodes[m.node].keys = append(m.nodes[m.node].keys, n.keys...)
	case n.isPair:
		for _, key := range n.keys {
			m.nodes[m.node].keys = append(m.nodes[m.node].keys, key)
			if key != n.pairKey { // the name of the value, within which the pair's own name is
				name := m.nodes[pair].pairName
				m.nodes[pair].name = m.addKey(m.keyOfPair(name, key))
			}
		}
		m.endAt(closed) // the name of one pair is not beside the value of the next one
	default:
		m.lists[n.list].isMixed = true
		m.endAt(closed)
	}
}

// valueOfPair returns the key of the value in an object of a name and a value, or -1 if the object is none.
func (m *matcher) valueOfPair(n *node) int32 {
	if n.children > 0 || n.count != 2 || len(n.keys) != 2 || n.pairKey < 0 {
		return -1
	}
	for _, key := range n.keys {
		if key != n.pairKey && strings.EqualFold(m.keys[key].name, "value") {
			return key
		}
	}
	return -1
}

func (m *matcher) keyOfPair(name string, parent int32) key {
	return key{name: name, parent: parent, isTime: m.isTimeField(name), isPair: true}
}

// groupSeed distinguishes groups of equal words that belong to different records, or to different parts of a record.
func (m *matcher) groupSeed() uint64 {
	if m.inRecord == 0 || !m.isSplit {
		return 0
	}
	return m.records<<32 | uint64(m.nodes[m.node].parent+1)
}

// keep adds pieces to the current node.
func (m *matcher) keep(values []piece) {
	m.nodes[m.node].pieces = append(m.nodes[m.node].pieces, values...)
	m.pieces += len(values)
	m.partial = m.partial || m.pieces > maxPieces
}

// endRecord combines the values of a record.
func (m *matcher) endRecord() {
	m.endGroup(false)
	if m.pieces == 0 || m.partial {
		return
	}
	for i := range m.nodes {
		n := &m.nodes[i]
		isMixed := m.lists[n.list].isMixed
		n.isMerged = n.isMerged && !isMixed
		if n.parent < 0 || !n.isMerged && (isMixed || !n.isPair) {
			continue
		}
		parent := &m.nodes[n.parent]
		for _, p := range n.pieces {
			if n.isPair && p.key == n.pairKey {
				continue
			}
			if n.isPair {
				p.key, p.isOfPair = n.name, true
			}
			parent.pieces = append(parent.pieces, p)
		}
		if n.isMerged {
			n.pieces = nil
		}
	}
	for i := range m.nodes {
		if n := &m.nodes[i]; len(n.pieces) > 0 {
			m.combineNode(n)
		}
	}
}

// combineNode combines the values of a node with those around it.
func (m *matcher) combineNode(n *node) {
	around := 0
	for at := n.parent; at >= 0; at = m.nodes[at].parent {
		around += len(m.nodes[at].pieces)
	}
	if m.skips(len(n.pieces) + around/16) {
		return
	}
	near := m.windowsOf(n.pieces)
	values, keys := slices.Clone(n.pieces), slices.Clone(n.keys)
	m.firstOwn, m.lastOwn = 0, math.MaxInt32
	if len(keys) > 0 {
		m.firstOwn, m.lastOwn = slices.Min(keys), slices.Max(keys)
	}
	value := m.valueOfPair(n)
	for i := range values {
		if p := &values[i]; value >= 0 && p.key == n.pairKey {
			p.isPairName, p.pairValue = true, value
		}
	}
	add := func(list []piece) {
		m.spend(len(list) / 16)
		for _, p := range list {
			if isIn(near, p) && !(n.isPair && p.isOfPair) {
				values = append(values, p)
			}
		}
	}
	for at := n.parent; at >= 0; at = m.nodes[at].parent {
		add(m.nodes[at].pieces)
		keys = append(keys, m.nodes[at].keys...)
	}
	add(m.shared)
	m.combine(values, keys)
	if outer := m.keysOfShared(near); len(outer) > 0 {
		m.isWhole = true
		m.combine(values, m.distinct(keys, outer))
		m.isWhole = false
	}
}

// distinct returns the keys in a record and those outside of records, without names that both have: beside TableName, ItemCount is
// not that of an index.
func (m *matcher) distinct(inner, outer []int32) (list []int32) {
	names := map[string]bool{}
	for _, key := range inner {
		name := folded(m.keys[key].name)
		names[name] = true
		if !m.isOutside(name, key) {
			list = append(list, key)
		}
	}
	m.spend(4 * len(inner))
	for _, key := range outer {
		if !names[folded(m.keys[key].name)] {
			list = append(list, key)
		}
	}
	return list
}

// isOutside reports whether a field outside of records has this name, in one of the fields around a key.
func (m *matcher) isOutside(folded string, key int32) bool {
	for at := m.keys[key].parent; ; at = m.keys[at].parent {
		m.spend(1)
		if m.outer[field{folded, at, true}] {
			return true
		}
		if at < 0 {
			return false
		}
	}
}

// keysOfShared returns the names of the values outside of records that are in one of the windows.
func (m *matcher) keysOfShared(near []window) (list []int32) {
	for _, p := range m.shared {
		if p.key >= 0 && isIn(near, p) && !slices.Contains(list, p.key) {
			list = append(list, p.key)
		}
	}
	return list
}
