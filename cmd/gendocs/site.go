package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/messages"
)

//go:embed site
var siteFiles embed.FS

var templates = template.Must(template.ParseFS(siteFiles, "site/*.html"))

// sheet is a page of the site.
type sheet struct {
	Title, About, Root, Version string
	Search                      bool
	Body                        template.HTML
}

// entry is a page in a list.
type entry struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Href   string `json:"href"`
	Status string `json:"-"`
	Word   string `json:"-"`
}

type remedyOnPage struct{ When, Does, Changes, Command, Undo string }

type source struct{ Text, Href string }

type finding struct {
	ID, Headline, Status, Word, Fix, Root string
	Means, Picture                        template.HTML
	Messages                              []string
	Remedies                              []remedyOnPage
	Sources                               []source
}

// site writes the knowledge base as pages: one for each kind of finding and each trouble without a fix, one for each fix,
// and the first one, with a box that searches as "lixfix explain" does. Nothing in it asks a server.
func site(all []fix.Fix, pages []*fix.Kind, out, version string) error {
	s := &siteWriter{out: out, version: version, fixes: all}
	index := struct {
		Fixes []struct {
			Name, Title string
			Pages       []entry
		}
		Known []entry
	}{}
	known := map[string]entry{}
	add := func(k *fix.Kind, name string, picture template.HTML) entry {
		e := entry{ID: k.ID, Title: k.Title, Href: "findings/" + pageOf(k) + ".html", Status: string(k.Status), Word: statuses(k)}
		known[k.ID] = e
		s.finding(k, name, picture)
		return e
	}
	for _, f := range all {
		one := struct {
			Name, Title string
			Pages       []entry
		}{Name: f.Name(), Title: upper(f.Doc().Title)}
		for _, k := range f.Kinds() {
			one.Pages = append(one.Pages, add(k, f.Name(), sketch(f, k)))
		}
		index.Fixes = append(index.Fixes, one)
		s.fix(f)
	}
	for _, k := range pages {
		index.Known = append(index.Known, add(k, "", ""))
	}
	s.page("index.html", sheet{
		Title: "Known troubles of Lix and Nix installations", About: "Paste an error of Lix or Nix, and see what it means and what to do about it.",
		Search: true, Body: s.fill("index.html", index),
	})
	data, err := json.Marshal(messages.New(all, pages).Data())
	if err != nil {
		return err
	}
	names, err := json.Marshal(known)
	if err != nil {
		return err
	}
	s.file("data.js", fmt.Appendf(nil, "\"use strict\";\nconst LIXFIX_DATA = %s;\nconst LIXFIX_PAGES = %s;\n", data, names))
	for _, name := range []string{"search.js", "style.css"} {
		text, err := siteFiles.ReadFile("site/" + name)
		if err != nil {
			return err
		}
		s.file(name, text)
	}
	return s.err
}

// siteWriter writes files, and keeps the first error.
type siteWriter struct {
	out, version string
	fixes        []fix.Fix
	err          error
}

func (s *siteWriter) file(name string, data []byte) {
	if s.err != nil {
		return
	}
	name = filepath.Join(s.out, name)
	if s.err = os.MkdirAll(filepath.Dir(name), 0o755); s.err == nil {
		s.err = os.WriteFile(name, data, 0o644)
	}
}

// fill fills a template.
func (s *siteWriter) fill(name string, data any) template.HTML {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil && s.err == nil {
		s.err = err
	}
	return template.HTML(b.String()) //nolint:gosec // html/template has escaped it
}

func (s *siteWriter) page(name string, p sheet) {
	p.Version = s.version
	s.file(name, []byte(s.fill("page.html", p)))
}

// pageOf is the name of the page of a kind, without what stands behind the dot.
func pageOf(k *fix.Kind) string { return strings.ReplaceAll(k.ID, "/", "-") }

var classesOnPage = map[fix.Class]string{
	fix.Safe: "lixfix does, after one question", fix.Risky: "lixfix does, if you decide on it", fix.Advice: "You do",
}

// sketch draws what hosts with a finding look like; "" where nothing is drawn.
func sketch(f fix.Fix, k *fix.Kind) template.HTML {
	artist, ok := f.(fix.Sketcher)
	if !ok {
		return ""
	}
	picture, says := artist.Sketch(k)
	return drawing(picture, upper(k.Title), says)
}

func (s *siteWriter) finding(k *fix.Kind, name string, picture template.HTML) {
	f := finding{
		ID: k.ID, Headline: upper(k.Title), Status: string(k.Status), Word: statuses(k), Fix: name, Root: "../", Means: s.markdown(escaped(k.Means)),
		Messages: k.Messages, Picture: picture,
	}
	for _, r := range k.Remedies {
		one := remedyOnPage{When: r.When, Does: classesOnPage[r.Class], Changes: r.Changes.General(), Command: r.Command.General(), Undo: r.Undo.General()}
		if one.Command == "" {
			one.Command = k.Command(r)
		}
		f.Remedies = append(f.Remedies, one)
	}
	for _, text := range k.Sources {
		one := source{Text: text}
		if strings.HasPrefix(text, "https://") && !strings.Contains(text, " ") {
			one.Href = text
		}
		f.Sources = append(f.Sources, one)
	}
	about := k.Title
	if len(k.Messages) > 0 {
		about += ": " + k.Messages[0]
	}
	s.page("findings/"+pageOf(k)+".html", sheet{Title: f.Headline + " (" + k.ID + ")", About: about, Root: "../", Body: s.fill("finding.html", f)})
}

// fix writes the page of a fix: its README, with a page for each finding.
func (s *siteWriter) fix(f fix.Fix) {
	text := string(markdown(f))
	if i := strings.Index(text, "\n### "); i >= 0 { // findings have pages of their own
		text = text[:i]
	}
	for _, k := range f.Kinds() {
		text = strings.ReplaceAll(text, "(#"+anchor(k)+")", "(../findings/"+pageOf(k)+".html)")
	}
	body := s.markdown(text)
	// That of its first finding is the one where nothing is wrong, if there is any.
	if picture := sketch(f, f.Kinds()[0]); picture != "" {
		body = template.HTML(strings.Replace(string(body), "<h2 id=\"findings\">", string(picture)+"<h2 id=\"findings\">", 1)) //nolint:gosec // both are made here
	}
	s.page("fixes/"+f.Name()+".html", sheet{Title: f.Name() + ": " + f.Doc().Title, About: upper(f.Doc().Title), Root: "../", Body: body})
}

var goldmarked = goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithAutoHeadingID()))

func (s *siteWriter) markdown(text string) template.HTML {
	var b bytes.Buffer
	if err := goldmarked.Convert([]byte(text), &b); err != nil && s.err == nil {
		s.err = err
	}
	html := strings.ReplaceAll(b.String(), "<pre>", `<pre tabindex="0">`)
	return template.HTML(strings.ReplaceAll(html, "<table>", `<table tabindex="0">`)) //nolint:gosec // goldmark leaves out raw HTML
}

// escaped is a text that Markdown takes as it stands.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune("\\`*_[]<>#|~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
