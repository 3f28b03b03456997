package lazy_test

import (
	"testing"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

func TestRegexp_CompilesOnce(t *testing.T) {
	digits := lazy.Regexp(`^[0-9]+$`)
	if !digits().MatchString("12") || digits().MatchString("1a") {
		t.Error("the expression does not match as it should")
	}
	if first, second := digits(), digits(); first != second {
		t.Error("the expression was compiled twice")
	}
}

func TestRegexp_IsCheckedAtTheStartOfATest(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a wrong expression was accepted until its first use")
		}
	}()
	lazy.Regexp(`(`)
}
