package awsapitest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

type attributes = map[string]types.AttributeValue

// DynamoDB is one table in memory. It evaluates the part of DynamoDB's expression language that the
// orchestrator uses, and applies each update atomically.
type DynamoDB struct {
	Fault

	mu    sync.Mutex
	items map[string]attributes
}

// Item returns a copy of an item, or nil if there is none.
func (d *DynamoDB) Item(pk string) map[string]types.AttributeValue {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.items[pk])
}

// GetItem implements [awsapi.DynamoDB].
func (d *DynamoDB) GetItem(ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if err := d.hit(ctx); err != nil {
		return nil, err
	}
	return &dynamodb.GetItemOutput{Item: d.Item(keyOf(in.Key))}, nil
}

// UpdateItem implements [awsapi.DynamoDB].
func (d *DynamoDB) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if err := d.hit(ctx); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	pk := keyOf(in.Key)
	old := d.items[pk]
	e := &evaluator{item: old, names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues}
	if condition := aws.ToString(in.ConditionExpression); condition != "" && !e.condition(condition) {
		return nil, &types.ConditionalCheckFailedException{Message: aws.String("The conditional request failed"), Item: maps.Clone(old)}
	}
	updated := maps.Clone(old)
	if updated == nil {
		updated = attributes{}
		maps.Copy(updated, in.Key)
	}
	e.update(updated, aws.ToString(in.UpdateExpression))
	if d.items == nil {
		d.items = map[string]attributes{}
	}
	d.items[pk] = updated
	return &dynamodb.UpdateItemOutput{Attributes: maps.Clone(updated)}, nil
}

func keyOf(key attributes) string { return key[config.TableKey].(*types.AttributeValueMemberS).Value }

type evaluator struct {
	item   attributes
	names  map[string]string
	values attributes
	tokens []string
}

var token = regexp.MustCompile(`[()=,]|<>|<=|>=|<|>|[#:]?[A-Za-z_]+`)

func (e *evaluator) condition(text string) bool {
	e.tokens = token.FindAllString(text, -1)
	return e.or()
}

func (e *evaluator) next() string {
	if len(e.tokens) == 0 {
		return ""
	}
	first := e.tokens[0]
	e.tokens = e.tokens[1:]
	return first
}

func (e *evaluator) peek(want string) bool { return len(e.tokens) > 0 && e.tokens[0] == want }

func (e *evaluator) or() bool {
	holds := e.and()
	for e.peek("OR") {
		e.next()
		right := e.and()
		holds = holds || right
	}
	return holds
}

func (e *evaluator) and() bool {
	holds := e.primary()
	for e.peek("AND") {
		e.next()
		right := e.primary()
		holds = holds && right
	}
	return holds
}

func (e *evaluator) primary() bool {
	switch first := e.next(); first {
	case "(":
		holds := e.or()
		e.next()
		return holds
	case "NOT":
		return !e.primary()
	case "contains":
		e.next()
		member, _ := e.item[e.path(e.next())].(*types.AttributeValueMemberSS)
		e.next()
		wanted := plain(e.operand(e.next()))
		e.next()
		return member != nil && slices.Contains(member.Value, wanted)
	case "attribute_exists", "attribute_not_exists":
		e.next()
		_, there := e.item[e.path(e.next())]
		e.next()
		return there == (first == "attribute_exists")
	default:
		left := e.operand(first)
		operator := e.next()
		return compare(left, operator, e.operand(e.next()))
	}
}

func (e *evaluator) path(name string) string {
	if strings.HasPrefix(name, "#") {
		return e.names[name]
	}
	return name
}

func (e *evaluator) operand(name string) types.AttributeValue {
	if name == "size" {
		e.next()
		n := size(e.item[e.path(e.next())])
		e.next()
		return &types.AttributeValueMemberN{Value: strconv.Itoa(n)}
	}
	if strings.HasPrefix(name, ":") {
		value, ok := e.values[name]
		if !ok {
			panic("awsapitest: no value for " + name)
		}
		return value
	}
	return e.item[e.path(name)]
}

func size(value types.AttributeValue) int {
	if set, ok := value.(*types.AttributeValueMemberSS); ok {
		return len(set.Value)
	}
	return 0
}

// compare compares as DynamoDB does: with a missing attribute, every comparison except <> is false.
func compare(left types.AttributeValue, operator string, right types.AttributeValue) bool {
	if left == nil || right == nil {
		return operator == "<>"
	}
	order := strings.Compare(plain(left), plain(right))
	if a, ok := left.(*types.AttributeValueMemberN); ok {
		order = compareNumbers(a.Value, plain(right))
	}
	switch operator {
	case "=":
		return order == 0
	case "<>":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	panic("awsapitest: operator " + operator)
}

func compareNumbers(a, b string) int {
	x, _ := strconv.ParseInt(a, 10, 64)
	y, _ := strconv.ParseInt(b, 10, 64)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func plain(value types.AttributeValue) string {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	case *types.AttributeValueMemberB:
		return string(bytes.Clone(v.Value))
	}
	return fmt.Sprint(value)
}

var clause = regexp.MustCompile(`\b(SET|REMOVE|ADD|DELETE)\b`)

func (e *evaluator) update(item attributes, text string) {
	starts := clause.FindAllStringIndex(text, -1)
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		verb := text[start[0]:start[1]]
		for _, action := range strings.Split(text[start[1]:end], ",") {
			e.apply(item, verb, strings.TrimSpace(action))
		}
	}
}

func (e *evaluator) apply(item attributes, verb, action string) {
	switch verb {
	case "SET":
		name, value, _ := strings.Cut(action, " = ")
		item[e.path(name)] = e.operand(value)
	case "REMOVE":
		delete(item, e.path(action))
	case "DELETE":
		name, value, _ := strings.Cut(action, " ")
		removed := e.operand(value).(*types.AttributeValueMemberSS).Value
		if set, ok := item[e.path(name)].(*types.AttributeValueMemberSS); ok {
			left := without(set.Value, func(s string) bool { return slices.Contains(removed, s) })
			item[e.path(name)] = &types.AttributeValueMemberSS{Value: left}
			if len(left) == 0 { // DynamoDB has no empty sets
				delete(item, e.path(name))
			}
		}
	case "ADD":
		name, value, _ := strings.Cut(action, " ")
		item[e.path(name)] = sum(item[e.path(name)], e.operand(value))
	}
}

func sum(old, value types.AttributeValue) types.AttributeValue {
	switch v := value.(type) {
	case *types.AttributeValueMemberSS:
		members := slices.Clone(v.Value)
		if set, ok := old.(*types.AttributeValueMemberSS); ok {
			members = append(members, set.Value...)
		}
		slices.Sort(members)
		return &types.AttributeValueMemberSS{Value: slices.Compact(members)}
	case *types.AttributeValueMemberN:
		n, _ := strconv.ParseInt(v.Value, 10, 64)
		if number, ok := old.(*types.AttributeValueMemberN); ok {
			m, _ := strconv.ParseInt(number.Value, 10, 64)
			n += m
		}
		return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
	}
	panic("awsapitest: ADD of " + fmt.Sprint(value))
}
