package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/platform"
)

// prometheusFormat is only for commands with the annotation measures.
const (
	prometheusFormat = "prometheus"
	measures         = "measures"
)

// measured gives a command that checks the flag that says where the metrics go.
func measured(cmd *cobra.Command, output *string) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[measures] = ""
	cmd.Flags().StringVar(output, "output", "", "with --format prometheus: write the metrics to `FILE`, and print the usual page")
	_ = cmd.MarkFlagFilename("output", "prom")
}

// completeFormats completes --format of a command.
func completeFormats(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	formats := []string{text, jsonFormat, jsonLines}
	if _, ok := cmd.Annotations[draws]; ok {
		formats = append(formats, dotFormat)
	}
	if _, ok := cmd.Annotations[measures]; ok {
		formats = append(formats, prometheusFormat)
	}
	return formats, cobra.ShellCompDirectiveNoFileComp
}

// meter makes metrics of a check.
type meter struct {
	*app
	file string // "" for standard output
}

// measurable refuses what makes no metrics.
func (m meter) measurable(again bool) error {
	switch {
	case m.file != "" && m.format != prometheusFormat:
		return usagef("add --format prometheus, or redirect standard output", "--output %s: only metrics can be written to a file", m.file)
	case m.format != prometheusFormat:
		return nil
	case again:
		return usagef("leave one of them out", "--watch and --format prometheus do not go together")
	case m.replay != nil:
		return m.unrecorded("--format prometheus")
	}
	return nil
}

// publisher can write a file for everybody.
type publisher interface {
	Publish(ctx context.Context, name, begins string, data []byte) error
}

// measure prints the metrics of a check, or writes them to a file and prints the page.
func (m meter) measure(ctx context.Context, r *render.Report, code Code, began time.Time, show func(*render.Text)) (Code, error) {
	r.Exit = int(code)
	now := m.Now()
	data := render.Prometheus(*r, now, now.Sub(began))
	if m.file == "" {
		m.progress.Close()
		_, _ = m.out.Write(data)
		return code, nil
	}
	m.page(show)
	err := publish(ctx, m.Host, m.file, data)
	if err == nil {
		return code, nil
	}
	if code == Healthy {
		code = Failed
	}
	next := "An older file is unchanged. Name another one with --output."
	switch {
	case errors.Is(err, platform.ErrUntrusted):
		next = "Root writes only to a directory that nobody else can change. Make one, as with " +
			"\"sudo mkdir -m 0755 /var/lib/node_exporter\", and name a file in it with --output. If node_exporter reads another directory, " +
			"put a link to the file there."
	case errors.Is(err, platform.ErrOccupied):
		next = "It is unchanged. Move it away, or name another file with --output."
	}
	return code, &failure{code: code, err: fmt.Errorf("write the metrics: %w", err), next: next}
}

// publish writes the metrics.
func publish(ctx context.Context, on platform.Host, file string, data []byte) error {
	host, ok := on.(publisher)
	if !ok {
		return errors.New("this host cannot be written to")
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	return host.Publish(ctx, file, render.MetricsBegin, data)
}
