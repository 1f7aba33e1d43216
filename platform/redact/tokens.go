package redact

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
)

// token is a text within a structured file.
type token struct {
	start, end int // of the bytes that stand for it
	text       string
	key        bool
	secret     bool // its key, or one around it, says so
	list       int  // the list that it is an item of; 0 for none
	quote      func(string) string
}

// parser finds the texts in a structured file. It returns false for one that is broken.
type parser func(*Recorder, []byte) ([]token, bool)

// parsed is what was found in a structured file.
type parsed struct {
	all []token
	ok  bool
}

// Prepare parses the content of a file, or what a tool has printed, before Body is asked for it. It can be called at any time,
// by several at once: while others still wait for something.
func (r *Recorder) Prepare(data []byte) {
	if parse := structured(data); parse != nil {
		r.parse(data, parse)
	}
}

// parse does each file once: redacting takes several passes.
func (r *Recorder) parse(data []byte, parse parser) parsed {
	r.parsing.Lock()
	defer r.parsing.Unlock()
	found, known := r.parsed[string(data)]
	if !known {
		found.all, found.ok = parse(r, data)
		r.parsed[string(data)] = found
	}
	return found
}

// tokensOf replaces the texts in a structured file, and leaves everything between them as it is.
func (r *Recorder) tokensOf(data []byte, parse parser) []byte {
	found := r.parse(data, parse)
	all := found.all
	if !found.ok {
		return r.plain(string(data))
	}
	lists := map[int][]int{}
	for i, t := range all {
		if t.list > 0 {
			lists[t.list] = append(lists[t.list], i)
		}
	}
	// A list of texts can be the arguments of a program, and each can say what the next one is.
	said := map[int]string{}
	for _, items := range lists {
		argv := make([]string, len(items))
		for i, at := range items {
			argv[i] = all[at].text
		}
		rules := r.names.secrets.rules()
		for i, w := range rules.arguments(argv) {
			if w != argv[i] {
				r.names.secrets.remember(argv[i], w)
				said[items[i]] = w
			}
		}
	}
	var b bytes.Buffer
	last := 0
	for i, t := range all {
		text, ok := said[i]
		if !ok {
			text = t.text
		}
		if t.secret && !t.key && text != "" && text != Mark {
			r.names.secrets.remember(text, Mark)
			text = Mark
		}
		lines := strings.SplitAfter(text, "\n")
		if len(lines) > 1 {
			text = string(r.plain(text))
		} else {
			text = r.Text(text)
		}
		if text == t.text {
			continue
		}
		b.Write(data[last:t.start])
		b.WriteString(t.quote(text))
		last = t.end
	}
	b.Write(data[last:])
	return b.Bytes()
}

// secretKey reports whether the rules take what a key names for a secret.
func (r *Recorder) secretKey(key string) bool {
	is, known := r.tokens[key]
	if !known {
		rules := r.names.secrets.rules()
		const value = "Zx9Qw8Er7Ty6"
		is = !strings.Contains(rules.apply(key+"="+value), value) || !strings.Contains(rules.apply(`"`+key+`":"`+value+`"`), value)
		r.tokens[key] = is
	}
	return is
}

func jsonQuote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)
	return strings.TrimSpace(b.String())
}

// jsonTokens are the texts of a JSON document that is valid.
func jsonTokens(r *Recorder, data []byte) ([]token, bool) {
	type level struct {
		list   int
		secret bool
	}
	var all []token
	var stack []level
	lists, under := 0, false // under a key that names a secret
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '[', '{':
			l := level{secret: under || len(stack) > 0 && stack[len(stack)-1].secret}
			if c == '[' {
				lists++
				l.list = lists
			}
			stack, under = append(stack, l), false
		case ']', '}':
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
			under = false
		case ',':
			under = false
		case '"':
			end := i + 1
			for end < len(data) && data[end] != '"' {
				if data[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(data) {
				return nil, false
			}
			t := token{start: i, end: end + 1, quote: jsonQuote}
			if json.Unmarshal(data[i:end+1], &t.text) != nil {
				return nil, false
			}
			rest := bytes.TrimLeft(data[end+1:], " \t\r\n")
			t.key = len(rest) > 0 && rest[0] == ':'
			if len(stack) > 0 {
				t.list, t.secret = stack[len(stack)-1].list, stack[len(stack)-1].secret
			}
			if t.key {
				under = r.secretKey(t.text)
			} else {
				t.secret = t.secret || under
				under = false
			}
			all = append(all, t)
			i = end
		}
	}
	return all, true
}

func xmlQuote(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// xmlTokens are the texts between the tags of a property list, and in its comments.
func xmlTokens(r *Recorder, data []byte) ([]token, bool) {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = false
	var all []token
	var open []string
	lists := []int{0}
	count := 0
	secret := 0 // depth from which on everything is one; 0 for nowhere
	under := false
	for {
		start := int(d.InputOffset())
		t, err := d.Token()
		if err == io.EOF { //nolint:errorlint // as it is documented
			return all, true
		}
		if err != nil {
			return nil, false
		}
		switch t := t.(type) {
		case xml.StartElement:
			open = append(open, t.Name.Local)
			list := 0
			if t.Name.Local == "array" {
				count++
				list = count
			}
			lists = append(lists, list)
			if under && secret == 0 && t.Name.Local != "key" {
				secret = len(open)
			}
			if t.Name.Local != "key" {
				under = false
			}
		case xml.EndElement:
			if len(open) > 0 {
				if secret == len(open) {
					secret = 0
				}
				open, lists = open[:len(open)-1], lists[:len(lists)-1]
			}
		case xml.CharData:
			text := string(t)
			if strings.TrimSpace(text) == "" {
				continue
			}
			one := token{start: start, end: int(d.InputOffset()), text: text, secret: secret > 0, quote: xmlQuote}
			if n := len(open); n > 0 {
				one.key = open[n-1] == "key"
				one.list = lists[max(0, len(lists)-2)]
				if open[n-1] == "data" || open[n-1] == "integer" || open[n-1] == "real" || open[n-1] == "date" {
					if secret == 0 {
						continue
					}
					one.text, one.quote = text, func(string) string { return "" }
				}
			}
			if one.key {
				under = r.secretKey(text)
			}
			all = append(all, one)
		case xml.Comment:
			all = append(all, token{
				start: start, end: int(d.InputOffset()), text: string(t),
				quote: func(s string) string { return "<!--" + strings.ReplaceAll(s, "--", "- -") + "-->" },
			})
		}
	}
}
