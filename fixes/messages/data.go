package messages

// Data is the index as a program in another language needs it: cmd/gendocs writes it beside its port of the search, and a
// test holds both against each other.
type Data struct {
	Groups     []DataGroup         `json:"groups"`
	Patterns   []DataPattern       `json:"patterns"`
	Errno      map[string][]string `json:"errno"` // as words run together, by the English ones
	Telling    []string            `json:"telling"`
	Severities []string            `json:"severities"`
	Common     string              `json:"common"`
	Limits     map[string]float64  `json:"limits"`
}

// DataGroup is a message.
type DataGroup struct {
	Message  string   `json:"message"`
	Kinds    []string `json:"kinds"`
	Fixes    []string `json:"fixes"`
	Vague    int      `json:"vague"`
	Normal   bool     `json:"normal"`
	Harmless bool     `json:"harmless"`
	Whole    string   `json:"whole"`
	Joined   string   `json:"joined"`
	Near     []string `json:"near"` // the words by which a line is near it
	Tells    bool     `json:"tells"`
}

// DataPattern is a form of a message.
type DataPattern struct {
	Group   int        `json:"group"`
	Parts   []DataPart `json:"parts"`
	Score   int        `json:"score"`
	Strong  bool       `json:"strong"`
	Strict  bool       `json:"strict"`
	Whole   bool       `json:"whole"`
	Open    bool       `json:"open"`
	Closing bool       `json:"closing"`
}

// DataPart is a piece of a pattern.
type DataPart struct {
	Text   string `json:"text"`
	Glued  bool   `json:"glued"`
	Quoted bool   `json:"quoted"`
}

// Data returns the index as data.
func (x *Index) Data() Data {
	d := Data{
		Errno: errnos(), Telling: telling, Severities: severities, Common: common,
		Limits: map[string]float64{
			"most": Most, "longest": 1 << 20, "fewLines": fewLines, "nearest": nearest, "widestGap": widestGap, "mostBreaks": mostBreaks,
			"longestLine": longestLine, "someLetters": someLetters, "manyLetters": manyLetters, "shortPiece": shortPiece,
			"commonPiece": commonPiece, "nearShare": nearShare, "nearWords": nearWords, "wordShort": wordShort,
		},
	}
	for i, g := range x.groups {
		one := DataGroup{
			Message: g.message, Kinds: []string{}, Fixes: append([]string{}, g.fixes...), Vague: g.vague, Normal: g.normal, Harmless: g.harmless, Whole: x.whole[i], Joined: x.joined[i],
			Near: append([]string{}, wordsOf(fixedPart(g.message))...), Tells: x.near.tells[i],
		}
		for _, k := range g.kinds {
			one.Kinds = append(one.Kinds, k.ID)
		}
		d.Groups = append(d.Groups, one)
	}
	for _, p := range x.patterns {
		one := DataPattern{Group: p.group, Score: p.score, Strong: p.strong, Strict: p.strict, Whole: p.whole, Open: p.open, Closing: p.closing}
		for _, part := range p.parts {
			one.Parts = append(one.Parts, DataPart{Text: part.text, Glued: part.glued, Quoted: part.quoted})
		}
		d.Patterns = append(d.Patterns, one)
	}
	return d
}
