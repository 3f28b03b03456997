package broker

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// xmlText is the text of an element or an attribute in XML.
type xmlText struct{ name, text string }

// xmlTexts returns the texts in a document, with the entities decoded and without what splits them: comments, CDATA, and other
// elements. A declaration of a document type could define entities, so it is refused.
func xmlTexts(body []byte) (texts []xmlText, err error) {
	if bytes.Count(body, []byte("<"))+bytes.Count(body, []byte("=")) > maxNodes { // each element and attribute takes much memory
		return nil, fmt.Errorf("more than %d elements and attributes", maxNodes)
	}
	decoder := xml.NewDecoder(bytes.NewReader(body))
	var open []*strings.Builder
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if len(open) >= maxJSONDepth {
				return nil, errors.New("nested too deeply")
			}
			open = append(open, &strings.Builder{})
			for _, attribute := range token.Attr {
				texts = append(texts, xmlText{attribute.Name.Local, attribute.Value})
			}
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].Write(token)
			}
		case xml.EndElement:
			texts = append(texts, xmlText{token.Name.Local, open[len(open)-1].String()})
			open = open[:len(open)-1]
		case xml.Directive:
			return nil, errors.New("a declaration of a document type")
		}
	}
}

// isXML reports whether a body can be XML: its service reads XML, or it begins as XML.
func isXML(ops []*operation, body []byte) bool {
	readsXML := func(op *operation) bool { return slices.Contains(op.service.protocols, "rest-xml") }
	return slices.ContainsFunc(ops, readsXML) || bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n\ufeff"), []byte("<"))
}

// xml judges the texts of a document in XML.
func (j *targetCheck) xml(body []byte) {
	texts, err := xmlTexts(body)
	if err != nil {
		j.reason = "the request's body is not valid XML in UTF-8: " + bounded(err.Error())
		return
	}
	for _, each := range texts {
		j.value(each.name, each.text)
	}
}
