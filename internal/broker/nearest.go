package broker

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/typo"
)

// A refusal names the nearest read that passes, because a model reads it and otherwise tries variants of the same
// operation. The suggestion is computed from the names of the service's operations: the same resource with a verb
// that only reads.

// substitutes are reads that answer most questions behind an operation whose name has no resource.
var substitutes = map[string]string{
	"athena:GetQueryResults":        "ListWorkGroups",
	"cloudwatch:PutCompositeAlarm":  "DescribeAlarms",
	"cloudwatch:PutMetricAlarm":     "DescribeAlarms",
	"dynamodb:BatchGetItem":         "DescribeTable",
	"dynamodb:ExecuteStatement":     "DescribeTable",
	"dynamodb:GetItem":              "DescribeTable",
	"dynamodb:Query":                "DescribeTable",
	"dynamodb:Scan":                 "DescribeTable",
	"ecs:ExecuteCommand":            "DescribeTasks",
	"kinesis:GetRecords":            "DescribeStreamSummary",
	"kinesis:GetShardIterator":      "DescribeStreamSummary",
	"kms:Decrypt":                   "DescribeKey",
	"lambda:Invoke":                 "GetFunctionConfiguration",
	"lambda:InvokeAsync":            "GetFunctionConfiguration",
	"logs:StartLiveTail":            "FilterLogEvents",
	"logs:StartQuery":               "FilterLogEvents",
	"s3:GetObject":                  "ListObjectsV2",
	"s3:HeadObject":                 "ListObjectsV2",
	"s3:SelectObjectContent":        "ListObjectsV2",
	"secretsmanager:GetSecretValue": "DescribeSecret",
	"sqs:ReceiveMessage":            "GetQueueAttributes",
}

// suggestion returns the end of a refusal that names the nearest allowed read, or an empty string. It does not lead around a
// deny of the user.
func (g guard) suggestion(s *service, name string) string {
	if op := s.operations[name]; op != nil && g.isDeniedByUser(op) {
		return ""
	}
	op := g.nearest(s, name)
	if op == nil {
		return ""
	}
	return fmt.Sprintf("; use %s (%s:%s)", pythonName(op.name), op.service.prefix, op.name)
}

// suggestNamed returns the suggestion for a request that names an operation which the tables do not have, or an
// empty string.
func (g guard) suggestNamed(r *http.Request, body []byte, at place, c scope, signed bool) string {
	asked := askedName(r, body)
	if asked == "" {
		return ""
	}
	candidates, _ := servicesAt(r, at, c, signed)
	for _, s := range candidates {
		name := strings.TrimPrefix(asked, s.target+".")
		if s.operations[name] != nil {
			return "" // the operation is known, so the request was refused for another reason
		}
		if text := g.suggestion(s, name); text != "" {
			return text
		}
	}
	return ""
}

// nearest returns the allowed read of the service that is most like the named operation, or nil.
func (g guard) nearest(s *service, name string) *operation {
	if op := s.operations[substitutes[s.id+":"+name]]; op != nil && g.isOpenRead(op) {
		return op
	}
	if s.operations[name] == nil {
		if op := similar(s, name); op != nil {
			if g.isOpenRead(op) {
				return op
			}
			name = op.name
		}
	}
	_, resource := verbAndResource(name)
	if len(resource) == 0 {
		return nil
	}
	type scored struct {
		op   *operation
		rank int
	}
	var list []scored
	for _, op := range s.operations {
		if rank := rankOf(op.name, resource); rank < unrelated && op.name != name {
			list = append(list, scored{op, rank})
		}
	}
	slices.SortFunc(list, func(a, b scored) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		if len(a.op.name) != len(b.op.name) {
			return len(a.op.name) - len(b.op.name)
		}
		return strings.Compare(a.op.name, b.op.name)
	})
	for _, candidate := range list {
		if g.isOpenRead(candidate.op) {
			return candidate.op
		}
	}
	return nil
}

// objectAttributes also needs the permission for s3:GetObject, which the role never has.
const objectAttributes = "s3:GetObjectAttributes"

// isOpenRead reports whether the operation only reads and may pass.
func (g guard) isOpenRead(op *operation) bool {
	return op.action != objectAttributes && (op.level == levelRead || op.level == levelList) && g.checkOne(op) == ""
}

// Ranks of a read for a resource; the lowest is the nearest.
const (
	sameResource  = 0 // DescribeParameters for GetParameter
	plainDetails  = 1 // GetFunctionConfiguration for GetFunction
	listOfSame    = 2 // ListFunctions for GetFunction
	itsContainer  = 3 // DescribeSecret for GetSecretValue; higher if fewer words agree
	unrelated     = 100
	perMissedWord = 10
)

// detailWords are words after a resource's name in the names of reads of its properties.
var detailWords = []string{"configuration", "config", "summary", "status", "attribute", "metadata", "info", "information", "detail"}

// rankOf returns how near an operation is to a resource.
func rankOf(name string, resource []string) int {
	verb, words := verbAndResource(name)
	describes := verb == "get" || verb == "describe"
	if len(words) == 0 || !describes && verb != "list" && verb != "batch_get" {
		return unrelated
	}
	switch {
	case slices.Equal(words, resource) && describes:
		return sameResource
	case slices.Equal(words, resource):
		return listOfSame
	case describes && len(words) == len(resource)+1 && slices.Equal(words[:len(resource)], resource) &&
		slices.Contains(detailWords, words[len(resource)]):
		return plainDetails
	case len(words) < len(resource) && slices.Equal(words, resource[:len(words)]):
		rank := itsContainer + perMissedWord*(len(resource)-len(words))
		if !describes {
			rank++
		}
		return rank
	}
	return unrelated
}

// verbAndResource splits an operation's name into its verb and the words of its resource, in the singular and without
// a version.
func verbAndResource(name string) (verb string, resource []string) {
	words := strings.Split(pythonName(name), "_")
	verb, words = words[0], words[1:]
	if verb == "batch" && len(words) > 0 {
		verb, words = verb+"_"+words[0], words[1:]
	}
	if n := len(words); n > 0 && version().MatchString(words[n-1]) {
		words = words[:n-1]
	}
	for _, word := range words {
		resource = append(resource, singular(word))
	}
	return verb, resource
}

var version = lazy.Regexp(`^v?\d+$`)

func singular(word string) string {
	switch {
	case strings.HasSuffix(word, "ies"):
		return strings.TrimSuffix(word, "ies") + "y"
	case strings.HasSuffix(word, "sses"), strings.HasSuffix(word, "xes"), strings.HasSuffix(word, "ches"):
		return strings.TrimSuffix(word, "es")
	case strings.HasSuffix(word, "ss"), strings.HasSuffix(word, "us"):
		return word
	}
	return strings.TrimSuffix(word, "s")
}

// maxAsked is the length of an unknown name for which a similar one is searched.
const maxAsked = 100

// similar returns the operation whose name differs from an unknown one by few letters, or nil.
func similar(s *service, name string) *operation {
	if len(name) > maxAsked {
		return nil
	}
	const lettersPerMistake = 5
	limit := max(len(name)/lettersPerMistake, 1)
	var best *operation
	for _, op := range s.operations {
		distance := editDistance(strings.ToLower(op.name), strings.ToLower(name), limit)
		if distance < limit || distance == limit && (best == nil || op.name < best.name) {
			best, limit = op, distance
		}
	}
	return best
}

// editDistance returns the number of letters to insert, remove, or replace, or more than limit.
func editDistance(a, b string, limit int) int {
	if max(len(a)-len(b), len(b)-len(a)) > limit {
		return limit + 1
	}
	return typo.Distance(a, b)
}

var (
	pluralAcronym = lazy.Regexp(`[A-Z]{2,}s$`)
)

// pythonNames replaces the words of operations that the names of boto3's methods do not split.
var pythonNames = strings.NewReplacer("OTel", "Otel", "PartiQL", "Partiql", "WhatsApp", "Whatsapp", "HITs", "Hits", "iSCSI", "_iscsi")

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }

// pythonName returns the name of the method of boto3 for an operation (botocore's xform_name).
func pythonName(name string) string {
	name = pythonNames.Replace(name)
	if acronym := pluralAcronym().FindString(name); acronym != "" {
		name = strings.TrimSuffix(name, acronym) + "_" + strings.ToLower(acronym)
	}
	var b strings.Builder
	for i := range len(name) {
		if isUpper(name[i]) && i > 0 && (!isUpper(name[i-1]) || i+1 < len(name) && isLower(name[i+1])) {
			b.WriteByte('_') // a word begins here
		}
		b.WriteByte(name[i])
	}
	return strings.ToLower(b.String())
}
