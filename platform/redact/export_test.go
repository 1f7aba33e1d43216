package redact

import "slices"

// Text is a text by the rule that hides what is in it, and that no other rule hides.
type Text struct{ Rule, Text, Gone string }

// SecretTexts are texts with secrets in them, one for each rule at least. %s stands for the secret.
func SecretTexts() []Text {
	var all []Text
	for _, s := range secrets {
		all = append(all, Text{s.rule, s.text, s.gone})
	}
	return all
}

// BlockTexts are the same of several lines.
func BlockTexts() []Text {
	var all []Text
	for _, b := range blocks {
		all = append(all, Text{b.rule, b.text, ""})
	}
	return all
}

// NameTexts are texts with names in them.
func NameTexts() []Text {
	var all []Text
	for _, p := range people {
		all = append(all, Text{p.rule, p.text, p.gone})
	}
	return all
}

// Host is what the texts with names are about.
func Host() (people, of, machines, resolver string) { return passwd, groups, hosts, conf }

// RuleNames are the names of all rules.
func RuleNames() []string {
	var all []string
	for _, r := range slices.Concat(everywhere, within) {
		all = append(all, r.name)
	}
	for _, r := range nameRules {
		all = append(all, r.name)
	}
	return all
}

// Without leaves out a rule.
func (r *Recorder) Without(rule string) *Recorder {
	r.names.Without(rule)
	return r
}

// Without leaves out a rule.
func (n *Names) Without(rule string) *Names {
	n.skip, n.secrets.skip = rule, rule
	return n
}
