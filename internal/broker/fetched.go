package broker

import (
	"fmt"
	"net/url"
	"strings"
)

// checkURLs returns why a request is refused if it contains a URL that AWS would fetch, or an empty string. Such a URL
// is a way out: its host and path can carry data to anybody. Operations whose only use is such a URL are denied by
// package toolpolicy; the tables name the parameter of operations that are useful without it. No setting opens it,
// because the role also denies it.
func checkURLs(ops []*operation, body []byte) string {
	for _, op := range ops {
		if op.url == "" {
			continue
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return fmt.Sprintf("%s:%s is refused: its parameters cannot be parsed", op.service.prefix, op.name)
		}
		for name := range form {
			if strings.EqualFold(strings.TrimSpace(name), op.url) {
				return fmt.Sprintf("%s:%s with %s is refused: AWS would fetch the URL; use the operation without it",
					op.service.prefix, op.name, op.url)
			}
		}
	}
	return ""
}
