// Package staged looks at the site with a real browser, as its readers do.
package staged

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/fixes/known"
	"github.com/lixfix/lixfix/fixes/messages"
)

// built is the site in a directory.
func built(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "run", "-trimpath", "github.com/lixfix/lixfix/cmd/gendocs", "-site", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// browser is a Chromium that a driver leads (https://www.w3.org/TR/webdriver2/).
type browser struct {
	t    *testing.T
	base string
}

func start(t *testing.T) *browser {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	driver := exec.Command("chromedriver", fmt.Sprintf("--port=%d", port)) //nolint:noctx // it is ended below, after its session
	if err := driver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = driver.Process.Kill()
		_ = driver.Wait()
	})
	b := &browser{t: t, base: fmt.Sprintf("http://127.0.0.1:%d", port)}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if r, err := http.Get(b.base + "/status"); err == nil {
			r.Body.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("the driver does not answer")
		}
	}
	var session struct {
		ID string `json:"sessionId"`
	}
	b.call("POST", "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"goog:loggingPrefs": map[string]string{"performance": "ALL", "browser": "ALL"},
		"goog:chromeOptions": map[string]any{"args": []string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--user-data-dir=" + t.TempDir(),
		}},
	}}}, &session)
	b.base += "/session/" + session.ID
	t.Cleanup(func() { b.call("DELETE", "", nil, nil) })
	return b
}

// call asks the driver; out takes the value of its answer.
func (b *browser) call(method, path string, in, out any) {
	b.t.Helper()
	body := []byte("{}")
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			b.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, b.base+path, bytes.NewReader(body)) //nolint:noctx // it ends with the driver
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	var answer struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil || r.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s: %s: %v: %s", method, path, r.Status, err, answer.Value)
	}
	if out != nil {
		if err := json.Unmarshal(answer.Value, out); err != nil {
			b.t.Fatalf("%s: %v: %s", path, err, answer.Value)
		}
	}
}

func (b *browser) open(file string) {
	b.t.Helper()
	b.call("POST", "/url", map[string]string{"url": "file://" + file}, nil)
}

// run runs a script in the page; out takes what it returns.
func (b *browser) run(script string, out any, args ...any) {
	b.t.Helper()
	b.call("POST", "/execute/sync", map[string]any{"script": script, "args": append([]any{}, args...)}, out)
}

func (b *browser) devtools(cmd string, params any) {
	b.t.Helper()
	b.call("POST", "/goog/cdp/execute", map[string]any{"cmd": cmd, "params": params}, nil)
}

// press presses keys, one after the other; \ue004 is Tab and \ue007 Enter.
func (b *browser) press(keys string) {
	b.t.Helper()
	var actions []map[string]string
	for _, k := range keys {
		actions = append(actions, map[string]string{"type": "keyDown", "value": string(k)}, map[string]string{"type": "keyUp", "value": string(k)})
	}
	b.call("POST", "/actions", map[string]any{"actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": actions}}}, nil)
}

func (b *browser) scheme(name string) {
	b.t.Helper()
	b.devtools("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": name}}})
}

func (b *browser) width(columns int) {
	b.t.Helper()
	b.devtools("Emulation.setDeviceMetricsOverride", map[string]any{"width": columns, "height": 900, "deviceScaleFactor": 1, "mobile": columns < 500})
}

// look keeps a picture of the page, where somebody wants to see it.
func (b *browser) look(name string) {
	dir := os.Getenv("LIXFIX_TEST_PICTURES")
	if dir == "" {
		return
	}
	var png string
	b.call("GET", "/screenshot", nil, &png)
	data, err := base64.StdEncoding.DecodeString(png)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), data, 0o644)
	}
	if err != nil {
		b.t.Error(err)
	}
}

// texts are what people paste: messages of the tables, ordinary lines, and what was made of them on the way.
func texts(t *testing.T) []string {
	t.Helper()
	below := filepath.Join("..", "..", "..", "fixes", "messages", "testdata")
	var all []string
	for _, name := range []string{"messages.tsv", "ordinary.txt"} {
		data, err := os.ReadFile(filepath.Join(below, name))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(data), "\n") {
			text, _, _ := strings.Cut(line, "\t")
			if text == "" || text[0] == '#' {
				continue
			}
			filled := strings.ReplaceAll(text, "…", "/nix/store/x-1.2")
			all = append(all, text, filled)
			switch i % 4 {
			case 0:
				all = append(all, "\x1b[31;1merror:\x1b[0m "+filled+"\r\n", "hello> "+filled+"\nhello> and so on")
			case 1:
				all = append(all, "Nov 29 13:16:54 hall nix-daemon[812]: error: "+filled, strings.ToUpper(filled))
			case 2:
				half := len([]rune(filled)) / 2
				all = append(all, string([]rune(filled)[:half])+"\n"+string([]rune(filled)[half:]))
			}
		}
		all = append(all, string(data))
	}
	styles, err := os.ReadFile(filepath.Join(below, "error-styles.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return append(all, string(styles), "Verbindungsaufbau abgelehnt", "cannot connect to socket at '/x': 拒绝连接", "ﬁ ﬂ 𝔫𝔦𝔵 İ ß 'x' is corrupt",
		"the group 'nixbld', specified by build-users-group, does not exist", "@nix {\"msg\":\"\\u001b[31mx\\nunexpected end-of-file\"}", "")
}

// The box finds what "lixfix explain" finds, in the same order.
func TestSameOrder(t *testing.T) {
	b := start(t)
	b.open(filepath.Join(built(t), "index.html"))
	all := texts(t)
	if len(all) < 50 {
		t.Fatalf("only %d texts", len(all))
	}
	type match struct {
		Line    string   `json:"line"`
		Number  int      `json:"number"`
		Message string   `json:"message"`
		Sure    bool     `json:"sure"`
		Kinds   []string `json:"kinds"`
		Fixes   []string `json:"fixes"`
	}
	var got [][]match
	b.run("return arguments[0].map(lixfixSearch)", &got, all)
	x := messages.New(fixes.All(), known.Pages())
	wrong := 0
	for i, text := range all {
		want := []match{}
		for _, m := range x.Find(text) {
			one := match{Line: m.Line, Number: m.Number, Message: m.Message, Sure: m.Sure, Kinds: []string{}, Fixes: append([]string{}, m.Fixes...)}
			for _, k := range m.Kinds {
				one.Kinds = append(one.Kinds, k.ID)
			}
			want = append(want, one)
		}
		w, _ := json.Marshal(want)
		g, _ := json.Marshal(got[i])
		if !bytes.Equal(w, g) {
			if wrong++; wrong < 10 {
				t.Errorf("%.300q:\nterminal %s\nbrowser  %s", text, w, g)
			}
		}
	}
	t.Logf("%d texts, %d of them differ", len(all), wrong)
}

// A person with a keyboard pastes an error, and reaches the page.
func TestKeyboard(t *testing.T) {
	b := start(t)
	b.open(filepath.Join(built(t), "index.html"))
	var at string
	for range 6 {
		if b.press("\ue004"); at == "TEXTAREA" {
			break
		}
		b.run("return document.activeElement.tagName", &at)
		if at == "TEXTAREA" {
			break
		}
	}
	if at != "TEXTAREA" {
		t.Fatalf("Tab leads to %s, and not to the box", at)
	}
	b.press("zsh: command not found: nix")
	b.press("\ue004")
	b.run("return document.activeElement.tagName", &at)
	if at != "BUTTON" {
		t.Fatalf("behind the box is %s", at)
	}
	b.press("\ue007")
	b.press("\ue004")
	var href string
	b.run("return document.activeElement.href || ''", &href)
	if !strings.HasSuffix(href, "findings/shell-hook-not-found.html") {
		t.Fatalf("behind the button is %q", href)
	}
	b.look("search")
	b.press("\ue007")
	var title string
	for range 50 {
		b.call("GET", "/title", nil, &title)
		if strings.Contains(title, "shell-hook/not-found") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("the page is %q", title)
}

// pages are the pages that are looked at closely.
var pages = []string{"index.html", "fixes/daemon.html", "findings/daemon-masked.html", "findings/stuck-deadlock-cycle.html", "findings/shell-hook-not-found.html"}

// In both colour schemes and on a phone, nothing keeps anybody from reading, and no page has to be moved sideways.
func TestReadable(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	axe, err := os.ReadFile(filepath.Join(cache, "lixfix-test", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("make deps brings it: %v", err)
	}
	dir := built(t)
	b := start(t)
	colors := map[string]*string{"light": new(string), "dark": new(string)}
	for _, page := range pages {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int{1200, 320} {
				b.scheme(scheme)
				b.width(width)
				b.open(filepath.Join(dir, page))
				if page == "index.html" {
					b.run(`document.getElementById("text").value = "error: could not connect to any lix socket (tried /nix/var/nix/daemon-socket/socket)\nunknown setting 'lazy-trees'";
						document.getElementById("text").dispatchEvent(new Event("input"))`, nil)
				}
				var wide []int
				b.run("return [document.documentElement.scrollWidth, window.innerWidth]", &wide)
				if wide[0] > wide[1] {
					t.Errorf("%s: %d pixels of %d", page, wide[0], wide[1])
				}
				b.run("return getComputedStyle(document.body).backgroundColor", colors[scheme])
				var violations []struct {
					ID    string `json:"id"`
					Help  string `json:"help"`
					Nodes []struct {
						HTML string `json:"html"`
					} `json:"nodes"`
				}
				b.look(fmt.Sprintf("%s-%s-%d", strings.ReplaceAll(strings.TrimSuffix(page, ".html"), "/", "-"), scheme, width))
				if (scheme == "light") != (width > 500) {
					continue // one look in each scheme and at each width is enough
				}
				b.run(string(axe), nil)
				b.call("POST", "/execute/async", map[string]any{
					"script": "const done = arguments[0]; axe.run().then((r) => done(r.violations))", "args": []any{},
				}, &violations)
				for _, v := range violations {
					t.Errorf("%s, %s, %d: %s: %s: %s", page, scheme, width, v.ID, v.Help, v.Nodes[0].HTML)
				}
			}
		}
	}
	if *colors["light"] == *colors["dark"] {
		t.Errorf("both schemes have %s", *colors["light"])
	}
}

// No page asks a server for anything, and without scripts the box says what to do.
func TestNoRequests(t *testing.T) {
	dir := built(t)
	b := start(t)
	for _, page := range pages {
		b.open(filepath.Join(dir, page))
	}
	var log []struct {
		Message string `json:"message"`
	}
	b.call("POST", "/se/log", map[string]string{"type": "performance"}, &log)
	asked := 0
	url := regexp.MustCompile(`"request":\{.*?"url":"([^"]*)"`)
	for _, l := range log {
		// What the browser shows before the first page is its own.
		if !strings.Contains(l.Message, "Network.requestWillBeSent\"") || !strings.Contains(l.Message, `"documentURL":"file:`) {
			continue
		}
		asked++
		if m := url.FindStringSubmatch(l.Message); m == nil || !strings.HasPrefix(m[1], "file://"+dir) && !strings.HasPrefix(m[1], "data:") {
			t.Errorf("a page asks: %s", l.Message)
		}
	}
	if asked < len(pages) {
		t.Errorf("only %d requests were seen", asked)
	}
	b.devtools("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	b.open(filepath.Join(dir, "index.html"))
	var source string
	b.call("GET", "/source", nil, &source)
	if !strings.Contains(source, "Searching needs JavaScript") || !strings.Contains(source, `<form id="search" hidden=""`) {
		t.Error("without scripts the box is there, or is not explained")
	}
}

// Every link within the site leads somewhere, every page is reached from the first, and messages stand there as text.
func TestLinks(t *testing.T) {
	dir := built(t)
	href := regexp.MustCompile(`(?:href|src)="([^"#]*)(?:#([^"]*))?"`)
	reached := map[string]bool{}
	queue := []string{"index.html"}
	for len(queue) > 0 {
		page := queue[0]
		queue = queue[1:]
		if reached[page] {
			continue
		}
		reached[page] = true
		data, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if !strings.HasSuffix(page, ".html") {
			continue
		}
		for _, m := range href.FindAllStringSubmatch(string(data), -1) {
			if strings.HasPrefix(m[1], "https://") {
				continue
			}
			if m[1] == "" {
				if !bytes.Contains(data, []byte(`id="`+m[2]+`"`)) {
					t.Errorf("%s: #%s leads nowhere", page, m[2])
				}
				continue
			}
			queue = append(queue, filepath.Join(filepath.Dir(page), m[1]))
		}
	}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if rel, _ := filepath.Rel(dir, name); !reached[rel] {
				t.Errorf("nothing leads to %s", rel)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all := known.Pages()
	for _, f := range fixes.All() {
		all = slices.Concat(all, f.Kinds())
	}
	unescape := strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&lt;", "<", "&gt;", ">", "&amp;", "&", "&#43;", "+")
	for _, k := range all {
		data, err := os.ReadFile(filepath.Join(dir, "findings", strings.ReplaceAll(k.ID, "/", "-")+".html"))
		if err != nil {
			t.Error(err)
			continue
		}
		text := unescape.Replace(string(data))
		for _, m := range append([]string{k.ID}, k.Messages...) {
			if !strings.Contains(text, m) {
				t.Errorf("%s: %q is not on the page", k.ID, m)
			}
		}
	}
}
