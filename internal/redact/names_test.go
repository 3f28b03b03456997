package redact

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pairPattern is the pattern that nextPair is equivalent to.
var pairPattern = regexp.MustCompile(`([A-Za-z0-9_.-]{2,64})(\\?["']?\s*(?:=>|[:=])\s*)(\\?"(?:[^"\\\n]|\\[^"\n])*\\?"|'(?:[^'\\\n]|\\.)*'|[^\s"',;&{}()\[\]]+)`)

func requireTheSamePairs(t *testing.T, text string) {
	t.Helper()
	at := 0
	for _, found := range pairPattern.FindAllStringSubmatchIndex(text, -1) {
		p, ok := nextPair(text, at)
		require.True(t, ok, "%q after %d", text, at)
		require.Equal(t, pair{name: found[2], nameEnd: found[3], value: found[6], end: found[7]}, p, "%q", text)
		at = p.end
	}
	p, ok := nextPair(text, at)
	require.False(t, ok, "%q: %+v", text, p)
}

func TestNextPair_MatchesPattern(t *testing.T) {
	for _, text := range []string{
		"", "a=b", "ab=cd", "ab:=cd", "ab=>cd", `ab=>"open`, `ab => 'x' cd="y\"z" ef='u\'v'`, `\"name\": \"va\\lue\"`, `"a.b-c" : {`,
		"key:\n  value", "key =\n\n", `a1="x` + "\n" + `y"`, strings.Repeat("n", 100) + "=v", "über=schön näme=wert", "ab='\\", `ab="\`, `ab=\"`, `ab="\\"`, "ab=\xff\xfe", "ab\\'=c", "ab:cd=ef",
	} {
		requireTheSamePairs(t, text)
	}
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "bc", "password", "_", ".", "-", "=", ":", ">", "=>", `"`, "'", `\`, " ", "\n", "\t", ",", "{", "]", "ü", "\xff", "7"}
	for range 50_000 {
		var b strings.Builder
		for range random.IntN(24) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		requireTheSamePairs(t, b.String())
	}
}

func FuzzPairs(f *testing.F) {
	f.Add(`{"password": "x", 'a=>b': \"c\"}`)
	f.Fuzz(func(t *testing.T, text string) { requireTheSamePairs(t, text) })
}

func TestShapes_HaveNeedles(t *testing.T) {
	all := append([]shape{privateKey, inURL, variables, container, fields, value}, tokens...)
	for _, s := range all {
		assert.NotEmpty(t, s.needles, s.kind)
		assert.NotNil(t, s.pattern(), s.kind)
	}
	// Case is ignored, and letters that Unicode folds to ASCII count as ASCII.
	r, err := New(nil)
	require.NoError(t, err)
	for _, text := range []string{"PROXY-AUTHORIZATION: BASIC " + body[:16], "bea\u0072er " + body[:16], "?\u017fignature=" + body[:16], "&TO\u212aEN=" + body[:16]} {
		clean, _ := r.Text(text)
		assert.NotContains(t, clean, body[:16], text)
	}
}

func TestText_RedactsOneLineAmongMany(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	plain := "INFO wrote 3 items to disk-queue in 12 ms\n"
	clean, count := r.Text(strings.Repeat(plain, 3) + "url https://app:" + body[:12] + "@db.example/x\n" + plain + "last glpat-" + body[:20])
	assert.Equal(t, strings.Repeat(plain, 3)+"url https://app:[redacted: password]@db.example/x\n"+plain+"last [redacted: GitLab token]", clean)
	assert.Equal(t, 2, count)
}
