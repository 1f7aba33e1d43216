package known

import "github.com/lixfix/lixfix/fixes/fix"

const keepFirst = "Copy /nix/var/nix/db before you run a garbage collection or \"nix-store --verify\": both can " +
	"delete what could still be saved."

// store is the store and its database. Messages: libstore/local-store.cc, libstore/sqlite.cc.
func store() []*fix.Kind {
	return []*fix.Kind{
		{
			ID: "store-db/schema", Status: fix.Broken, Title: "the file with the version of the database is damaged, or newer than this Nix",
			Means: "/nix/var/nix/db/schema holds a number, which has been 10 for years, without a newline at the end: \"echo " +
				"10\" makes it corrupt. A full disk leaves it empty.",
			Messages: []string{
				"'…' is corrupt", "'/nix/var/nix/db/schema' is corrupt", "current Nix store schema is version …, but I only support …",
				"current Nix store schema is version", "current Nix store ca-schema is version", "which is no longer supported. To convert to the new format",
			},
			Remedies: do("look at it; if it is empty or ends in a newline, and db.sqlite is not empty, write the number "+
				"again: printf 10 | sudo tee /nix/var/nix/db/schema", "od -c /nix/var/nix/db/schema; ls -l /nix/var/nix/db"),
		},
		{
			ID: "store-db/damaged", Status: fix.Broken, Title: "the database of the store is damaged",
			Means: "SQLite cannot read it, for example after a crash, or because the disk is full or failing. " +
				keepFirst,
			Messages: []string{
				"database disk image is malformed", "file is not a database", "executing SQLite query '…'", "executing SQLite statement '…'",
				"creating statement '…'",
			},
			Remedies: do("stop the daemon, make a copy, and examine the copy", "sudo systemctl stop "+
				"nix-daemon.socket nix-daemon.service; sudo cp -a /nix/var/nix/db /nix/var/nix/db.copy"),
		},
		{
			ID: "store-db/lost", Status: fix.Broken, Title: "the database of the store is gone, or empty",
			Means:    "Nix has made a new one, in which no path is valid. " + keepFirst + " A garbage collection would now empty the store.",
			Messages: []string{"no such table: ValidPaths", "SQL logic error (in '…')", "cannot open SQLite database '…'", "cannot open SQLite database '/nix/var/nix/db/db.sqlite'"},
			Remedies: do("stop the daemon, and put a copy of the database back; where there is none, ask for help before you go on", "sudo systemctl stop nix-daemon.socket nix-daemon.service; ls -l /nix/var/nix/db"),
		},
		{
			ID: "store-db/path-not-valid", Status: fix.Broken, Title: "the store does not know a path",
			Means: "The path may have been garbage-collected, or never have been on this host. If the store knows no " +
				"path at all, the database is lost. " + keepFirst,
			Messages: []string{"path '…' is not valid", "path '…' does not exist in the store", "path '/nix/store/…' is not valid"},
			Remedies: do("see whether it knows another path", "nix-store --query --hash $(readlink -f /nix/var/nix/profiles/default)"),
		},
		{
			ID: "store-db/path-disappeared", Status: fix.Broken, Title: "a path that the store knows is not on the disk",
			Means:    "Somebody deleted it by hand, or a disk lost it. \"nix-store --verify\" removes it from the database, unless other paths need it.",
			Messages: []string{"path '…' disappeared, but it still has valid referrers!", "disappeared, removing from database..."},
			Remedies: do("have it made or downloaded again", "sudo nix-store --realise --repair PATH"),
		},
		{
			ID: "store-db/still-alive", Status: fix.OK, Title: "a path is still in use, so it is not deleted",
			Means:    "Something that must be kept refers to it, or a process uses it. Nothing is wrong.",
			Messages: []string{"Cannot delete path '…' since it is still alive."},
			Remedies: do("ask what keeps it", "nix-store --query --roots PATH"),
		},
		{
			ID: "damaged-paths/empty", Status: fix.Broken, Title: "files in the store are empty or altered",
			Means: "After a power cut, the files written last are often empty. Fixed-output hashes of an empty file " +
				"are 0ip26j2h11n1… and 47DEQpj8HBSa….",
			Messages: []string{
				"error parsing derivation '…'", "expected string 'Derive(['", "file is empty (possible filesystem corruption)",
				"sha256:0ip26j2h11n1kgkz36rl4akv694yz65hr72q4kv4b3lxcbi65b3p", "path '…' was modified! expected hash '…', got '…'", "hash mismatch importing path '…'", "'…' is corrupted or missing!",
				"not all store errors were fixed",
			},
			Remedies: do("check all files against their hashes and download the bad ones again; this takes "+
				"long", "sudo nix-store --verify --check-contents --repair"),
		},
		{
			ID: "store-perms/owner", Status: fix.Broken, Title: "a build left files with a wrong owner or mode",
			Means:    "Nix rejects files that others could have changed.",
			Messages: []string{"suspicious ownership or permission on '…'"},
			Remedies: do("build it again; if that does not help, the builder itself sets the wrong owner or mode", ""),
		},
		{
			ID: "store-perms/symlink", Status: fix.Broken, Title: "/nix, or a directory above the store, is a link",
			Means:    "Paths in the store would depend on where the link leads, so Nix refuses it.",
			Messages: []string{"the path '…' is a symlink; this is not allowed for the Nix store and its parent directories"},
			Remedies: do("replace the link with an empty directory, and mount the real one there; a line in /etc/fstab keeps it so", "sudo rm /nix && sudo mkdir /nix && sudo mount --bind /where/it/is /nix"),
		},
	}
}
