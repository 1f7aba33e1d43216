package say

import "github.com/lixfix/lixfix/platform/words"

// Amounts, as people say them.
const (
	seconds   words.Template = "{count} s"
	minutes   words.Template = "{count} min"
	hours     words.Template = "{count} h"
	days      words.Template = "{count} days"
	byteCount words.Template = "{count} B"
	kib       words.Template = "{count} KiB"
	mib       words.Template = "{count} MiB"
	more      words.Template = "… and {count} more"
)
