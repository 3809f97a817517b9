// Oracle renders templates with Go's own text/template.
//
// It reads one case per line from standard input, a JSON object with "template", "data" (JSON text)
// and "missing", and writes one answer per line: {"output": base64} or {"error": message}.
// JSON integers that fit an int64 become int, all other numbers float64.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"time"
)

type testCase struct {
	Template string `json:"template"`
	Data     string `json:"data"`
	Missing  string `json:"missing"`
}

// limited refuses to grow beyond a bound, so that no case can fill the memory.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > 1<<21 {
		return 0, fmt.Errorf("output too long")
	}
	return l.Buffer.Write(p)
}

// typed turns json.Number into int or float64 and gives lists no spare capacity.
func typed(value any) any {
	switch v := value.(type) {
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			if i, err := v.Int64(); err == nil {
				return int(i)
			}
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for key, item := range v {
			v[key] = typed(item)
		}
	case []any:
		for i, item := range v {
			v[i] = typed(item)
		}
		return slices.Clip(v)
	}
	return value
}

func render(c testCase) (out string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	decoder := json.NewDecoder(strings.NewReader(c.Data))
	decoder.UseNumber()
	var data any
	if err := decoder.Decode(&data); err != nil {
		return "", fmt.Errorf("case: %w", err)
	}
	t, err := template.New("t").Option("missingkey=" + c.Missing).Parse(c.Template)
	if err != nil {
		return "", err
	}
	var buffer limited
	if err := t.Execute(&buffer, typed(data)); err != nil {
		return "", err
	}
	return buffer.String(), nil
}

// answer renders with a time limit: a template may range over a billion numbers.
func answer(c testCase) map[string]string {
	done := make(chan map[string]string, 1)
	go func() {
		out, err := render(c)
		if err != nil {
			done <- map[string]string{"error": err.Error()}
			return
		}
		done <- map[string]string{"output": base64.StdEncoding.EncodeToString([]byte(out))}
	}()
	select {
	case result := <-done:
		return result
	case <-time.After(5 * time.Second):
		return map[string]string{"error": "time limit"}
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Println(runtime.Version())
		return
	}
	reader := bufio.NewReaderSize(os.Stdin, 1<<20)
	writer := bufio.NewWriter(os.Stdout)
	defer writer.Flush()
	encoder := json.NewEncoder(writer)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			var c testCase
			if err := json.Unmarshal(line, &c); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			if err := encoder.Encode(answer(c)); err != nil {
				os.Exit(1)
			}
			if reader.Buffered() == 0 {
				writer.Flush()
			}
		}
		if err != nil {
			return
		}
	}
}
