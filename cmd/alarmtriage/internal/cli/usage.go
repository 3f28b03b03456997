package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageProblem returns the problem of a wrong command line. format says what is wrong.
func usageProblem(c *cobra.Command, format string, arguments ...any) error {
	return &Problem{Code: Usage, What: oneLine(fmt.Sprintf(format, arguments...)), Remedy: "see `" + c.CommandPath() + " --help`"}
}

// checkArguments checks that a command has the arguments that its line of usage names, which are the words in capital letters
// after its own name.
func checkArguments(c *cobra.Command, arguments []string) error {
	var want []string
	for _, word := range strings.Fields(c.Use)[1:] {
		if strings.ToUpper(word) != word || word == "|" {
			break // flags follow
		}
		want = append(want, word)
	}
	switch {
	case len(arguments) > 0 && c.HasSubCommands():
		return unknownSubcommand(c, arguments[0])
	case len(arguments)+1 < len(want):
		return usageProblem(c, "%s are missing", strings.Join(want[len(arguments):], " and "))
	case len(arguments) < len(want):
		return usageProblem(c, "%s is missing", want[len(arguments)])
	case len(arguments) > 0 && len(want) == 0:
		return usageProblem(c, "there is an argument too many, %q: this command takes none", arguments[0])
	case len(arguments) > len(want):
		return usageProblem(c, "there is an argument too many, %q: put each value with blanks in quotes, here %s",
			arguments[len(want)], strings.Join(want, " and "))
	}
	return nil
}

// unknownSubcommand returns the problem of a name that no subcommand has. It proposes those with similar names.
func unknownSubcommand(c *cobra.Command, name string) error {
	c.SuggestionsMinimumDistance = 2
	similar := c.SuggestionsFor(name)
	for i := range similar {
		similar[i] = fmt.Sprintf("%q", similar[i])
	}
	remedy := "see `" + c.CommandPath() + " --help`"
	if len(similar) > 0 {
		remedy = fmt.Sprintf("did you mean %s? %s", strings.Join(similar, " or "), remedy)
	}
	return &Problem{Code: Usage, What: oneLine(fmt.Sprintf("unknown command %q", name)), Remedy: remedy}
}

// checkAdded makes the commands that package cobra adds check their arguments, too.
func checkAdded(root *cobra.Command, arguments []string) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(arguments...)
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Run, c.RunE = nil, func(_ *cobra.Command, names []string) error {
				of, rest, err := root.Find(names)
				switch {
				case err != nil:
					return err
				case len(rest) > 0:
					return unknownSubcommand(of, rest[0])
				}
				return of.Help()
			}
		case "completion":
			c.Args, c.RunE = checkArguments, func(c *cobra.Command, _ []string) error { return c.Help() }
			for _, shell := range c.Commands() {
				shell.Args = checkArguments
			}
		}
	}
}

// kindsOfValues are the kinds of flags whose values can be wrong, with what their values must be.
var kindsOfValues = map[string]string{
	"float64": "a number, such as 1.50", "int": "a whole number", "bool": "true or false", "duration": "a duration, such as 90s or 15m",
	"stringSlice": "a list with commas between its values, and quotes only around whole values",
}

// flagProblem returns the problem of flags that cannot be parsed.
func flagProblem(c *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if unknown.GetSpecifiedShortnames() != "" {
			return usageProblem(c, "unknown flag: -%s", unknown.GetSpecifiedName())
		}
		return usageProblem(c, "unknown flag: --%s", unknown.GetSpecifiedName())
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usageProblem(c, "--%s needs a value", missing.GetFlag().Name)
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		if want := kindsOfValues[invalid.GetFlag().Value.Type()]; want != "" {
			return usageProblem(c, "--%s must be %s, and not %q", invalid.GetFlag().Name, want, invalid.GetValue())
		}
		return usageProblem(c, "--%s cannot be %q", invalid.GetFlag().Name, invalid.GetValue())
	}
	if invalid, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return usageProblem(c, "%q is not a flag: write flags as in --json", invalid.GetSpecifiedFlag())
	}
	return err // --help
}

// excludeEachOther declares flags of which at most one may be set.
func excludeEachOther(c *cobra.Command, names ...string) {
	c.MarkFlagsMutuallyExclusive(names...) // for the shells' completion
	check(c, func() error {
		if set := changed(c, names); len(set) > 1 {
			return usageProblem(c, "%s exclude each other", strings.Join(set, " and "))
		}
		return nil
	})
}

// requireOne declares flags of which at least one must be set.
func requireOne(c *cobra.Command, names ...string) {
	c.MarkFlagsOneRequired(names...) // for the shells' completion
	check(c, func() error {
		if len(changed(c, names)) == 0 {
			return usageProblem(c, "--%s is missing", strings.Join(names, " or --"))
		}
		return nil
	})
}

// check adds a check of flags to those of the arguments, which run before the checks of package cobra.
func check(c *cobra.Command, isRight func() error) {
	before := c.Args
	c.Args = func(c *cobra.Command, arguments []string) error {
		if err := before(c, arguments); err != nil {
			return err
		}
		return isRight()
	}
}

// changed returns those of the flags that are set, as they are written.
func changed(c *cobra.Command, names []string) []string {
	set := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !c.Flags().Changed(name) })
	for i := range set {
		set[i] = "--" + set[i]
	}
	return set
}
