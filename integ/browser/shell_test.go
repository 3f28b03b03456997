package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"mvdan.cc/sh/v3/syntax"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
)

// These tests compare package command with a complete parser of the shell's language, which is too large for code that
// every user compiles.

// pieces are put together to commands: programs, arguments, and everything that gives them another meaning.
var pieces = []string{
	"aws", "s3", "ls", "rm", "ec2 describe-instances", "iam delete-user", "s3://bucket/key", "--region us-east-1", "--query 'a[].b | [0]'", "\"two words\"", "'single'", "a\\ b",
	" ", "  ", "\t", "\n", "\\\n", ";", "&&", "||", "|", "&", "|&", ">", ">>", "2>&1", "2>/dev/null", "< in", "<<EOF\nx\nEOF\n", "<<<", "&>", "<(", ">(", "(", ")", "{", "}", "{a,b}",
	"$(", "$(date +%s)", "$(curl x)", "`", "`id`", "$X", "${X}", "${X:-rm}", "$'\\x3b'", "$\"x\"", "$((1))", "'", "\"", "\\", "#", "# x", "!", "*", "~", "X=1", "AWS_PROFILE=p",
	"sh", "bash -c", "sudo", "xargs", "curl https://e.example", "jq .", "sort", "if", "then", "fi", "for x in y", "do", "done", "while", "case", "esac", "function f", "[[", "]]", "time", "coproc", "=", "[", "]",
}

// combined returns n commands of pieces, the same in each run.
func combined(n int) []string {
	state := uint32(1)
	next := func(limit int) int {
		state = state*1664525 + 1013904223
		return int(state>>8) % limit
	}
	var all []string
	for range n {
		var b strings.Builder
		b.WriteString([]string{"aws s3 ls", "aws ec2 describe-instances", "", "aws s3 rm"}[next(4)])
		for range 1 + next(6) {
			if next(3) > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(pieces[next(len(pieces))])
		}
		all = append(all, b.String())
	}
	return all
}

func parseShell(text string) (*syntax.File, error) {
	return syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
}

// outlineOf returns the operators, words, and redirections of a command in order.
func outlineOf(t *testing.T, text string) (outline []string) {
	t.Helper()
	file, err := parseShell(text)
	require.NoError(t, err, "%q", text)
	syntax.Walk(file, func(node syntax.Node) bool {
		switch n := node.(type) {
		case *syntax.Stmt:
			outline = append(outline, fmt.Sprintf("statement %v %v", n.Negated, n.Background))
		case *syntax.BinaryCmd:
			outline = append(outline, n.Op.String())
		case *syntax.Redirect:
			outline = append(outline, n.Op.String())
		case *syntax.Word:
			outline = append(outline, literal(n))
		case *syntax.Assign:
			outline = append(outline, n.Name.Value)
		}
		return true
	})
	return outline
}

// harmlessPrograms may be a part of a command that only reads AWS.
var harmlessPrograms = []string{"aws", "jq", "sort", "date", "grep", "head", "tail", "wc", "uniq", "cut", "tr", "cat", "column", "base64"}

func TestClassify_CallsNothingARead_ThatAShellReadsOtherwise(t *testing.T) {
	reads := 0
	for _, text := range combined(60_000) {
		names := command.Classify(text).Names()
		if !slices.Contains(names, "reads_aws") || command.Classify(text).Warns() {
			continue
		}
		reads++
		file, err := parseShell(text)
		require.NoError(t, err, "%q", text)
		syntax.Walk(file, func(node syntax.Node) bool {
			switch n := node.(type) {
			case *syntax.CallExpr:
				for _, assigned := range n.Assigns {
					assert.Equal(t, "AWS_PROFILE", assigned.Name.Value, "%q", text)
				}
				if assert.NotEmpty(t, n.Args, "%q", text) {
					program := n.Args[0].Lit()
					assert.Contains(t, harmlessPrograms, program, "%q", text)
					if program == "aws" {
						assertReadOperation(t, n, text)
					}
				}
			case *syntax.Redirect:
				target := n.Word.Lit()
				assert.True(t, n.Op == syntax.RdrIn || target == "/dev/null" || target == "1", "redirection in %q", text)
			case *syntax.ArithmExp:
				number, isWord := n.X.(*syntax.Word)
				assert.True(t, isWord && strings.Trim(number.Lit(), "0123456789") == "" && number.Lit() != "", "arithmetic in %q", text)
			case *syntax.Subshell, *syntax.Block, *syntax.IfClause, *syntax.WhileClause, *syntax.ForClause, *syntax.CaseClause, *syntax.FuncDecl, *syntax.ProcSubst,
				*syntax.ArithmCmd, *syntax.TestClause, *syntax.CoprocClause, *syntax.LetClause, *syntax.DeclClause, *syntax.TimeClause, *syntax.ExtGlob:
				assert.Fail(t, "a construct that cannot be judged", "%T in %q", n, text)
			}
			return true
		})
	}
	assert.Greater(t, reads, 500, "the pieces make too few commands that read")
}

// assertReadOperation requires that a call of the AWS CLI is one of the reads among the pieces.
func assertReadOperation(t *testing.T, call *syntax.CallExpr, text string) {
	t.Helper()
	var words []string
	for i := 1; i < len(call.Args); i++ {
		word := literal(call.Args[i])
		if word == "--region" || word == "--query" {
			i++
			continue
		}
		words = append(words, word)
	}
	if assert.GreaterOrEqual(t, len(words), 2, "%q", text) {
		assert.Regexp(t, `^(?:s3 ls$|ec2 describe-instances)`, words[0]+" "+words[1], "%q", text)
	}
}

// literal returns a word without its quotes.
func literal(word *syntax.Word) string {
	var b strings.Builder
	for _, part := range word.Parts {
		switch p := part.(type) {
		case *syntax.Lit:
			b.WriteString(strings.ReplaceAll(p.Value, "\\\n", ""))
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			for _, inner := range p.Parts {
				if lit, ok := inner.(*syntax.Lit); ok {
					b.WriteString(lit.Value)
				}
			}
		default:
			b.WriteString("?")
		}
	}
	return b.String()
}

func TestFold_AShellReadsTheSameCommand(t *testing.T) {
	folds := 0
	for _, text := range combined(20_000) {
		text += " --query 'a long text with blanks' --output text --region eu-central-1"
		for _, width := range []int{20, 40, 66} {
			folded := strings.Join(command.Fold(text, width), "\n")
			if strings.Contains(folded, command.Folded) || slices.Contains(command.Classify(text).Names(), "disguised") ||
				slices.Contains(command.Classify(text).Names(), "not_understood") {
				continue
			}
			require.Equal(t, outlineOf(t, text), outlineOf(t, folded), "%q\n%s", text, folded)
			folds++
		}
	}
	assert.Greater(t, folds, 1000)
}
