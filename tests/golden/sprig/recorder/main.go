// Command recorder renders templates with the real function libraries and writes down what they say.
//
// It reads cases from standard input, one JSON object a line: {"library", "template", "data"}, and
// writes the same objects with "output" or "error" added. Whole numbers in the data become int, all
// others float64. Run it with TZ=UTC.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	alertmanager "github.com/prometheus/alertmanager/template"
)

type testCase struct {
	Library  string          `json:"library"`
	Template string          `json:"template"`
	Data     json.RawMessage `json:"data"`
	Output   *string         `json:"output,omitempty"`
	Error    string          `json:"error,omitempty"`
}

func number(n json.Number) any {
	if i, err := n.Int64(); err == nil && !strings.ContainsAny(n.String(), ".eE") {
		return int(i)
	}
	f, _ := n.Float64()
	return f
}

func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		return number(v)
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return value
}

func data(raw json.RawMessage) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return plain(value), nil
}

func render(c testCase) (string, error) {
	value, err := data(c.Data)
	if err != nil {
		return "", err
	}
	functions := sprig.TxtFuncMap()
	if c.Library == "alertmanager" {
		functions = template.FuncMap(alertmanager.DefaultFuncs)
	}
	parsed, err := template.New("case").Funcs(functions).Parse(c.Template)
	if err != nil {
		return "", err
	}
	var output strings.Builder
	err = parsed.Execute(&output, value)
	return output.String(), err
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		var c testCase
		if err == nil {
			err = json.Unmarshal(line, &c)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		output, err := render(c)
		if err != nil {
			c.Error = err.Error()
		} else {
			c.Output = &output
		}
		if err := out.Encode(c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
