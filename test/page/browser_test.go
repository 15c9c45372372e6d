package page

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/slotq/slotq/test/e2e/system"
)

// limit is how long a page may take to show something. It is long for a machine that does other things as well.
const limit = 20 * time.Second

var (
	browserMu    sync.Mutex
	browser      context.Context
	closeBrowser = func() {}
)

// sharedBrowser starts the one browser of all journeys.
func sharedBrowser(t *testing.T) context.Context {
	t.Helper()
	browserMu.Lock()
	defer browserMu.Unlock()
	if browser != nil {
		return browser
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		system.Absent(t, "there is no chromium: `apt-get install --no-install-recommends chromium` installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox refuses to be root's
	}
	allocator, release := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	browser, closeBrowser = ctx, func() {
		_ = chromedp.Cancel(ctx) // waits for its end
		cancel()
		release()
	}
	return browser
}

// tab is a window of a person of its own: it shares no cookie with others.
type tab struct {
	*testing.T
	ctx  context.Context
	base string

	mu      sync.Mutex
	console []string
	allowed []string // what the console may say
}

// newTab opens a tab for the api at base. What its page writes to the console fails the test at its end.
func newTab(t *testing.T, base string, allowed ...string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(sharedBrowser(t), chromedp.WithNewBrowserContext())
	// The last is said when a test was quicker at a field than the page.
	b := &tab{T: t, ctx: ctx, base: base, allowed: append(slices.Clone(allowed), "Autofocus processing was blocked")}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900)); err != nil { // by this context: the tab ends with that of its first call
		t.Fatal(err)
	}
	said := chromedp.Console(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for m, err := range said {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.console = append(b.console, fmt.Sprintf("%s: %s (%s)", m.Type, m.Text, m.URL))
			b.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			b.shot("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
			within, done := context.WithTimeout(ctx, limit)
			defer done()
			text, _ := chromedp.Run(within, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
			t.Logf("at the end the page shows:\n%s", text)
		}
		cancel()
		listening.Wait()
		for _, line := range b.console {
			if !containsAny(line, b.allowed) {
				t.Errorf("the console: %s", line)
			}
		}
	})
	return b
}

func containsAny(text string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeoutCause(b.ctx, limit, errors.New("not in time"))
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

// open goes to a page.
func (b *tab) open(path string) {
	b.Helper()
	b.do("open "+path, chromedp.Navigate(b.base+path))
}

// until waits for an expression to be true. A page that is left in the meantime is asked again.
func (b *tab) until(what, expression string) {
	b.Helper()
	err := system.Await(b.ctx, limit, func() error {
		ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second) // a page that goes away takes its answer along
		defer cancel()
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && !ok {
			err = errors.New("it is not so")
		}
		return err
	})
	if err != nil {
		b.Fatalf("%s: %v: %s", what, err, expression)
	}
}

// shows waits for a text in what a selector finds.
func (b *tab) shows(selector, text string) {
	b.Helper()
	b.until(fmt.Sprintf("%s shows %q", selector, text), fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))`, selector, text))
}

// click waits for an element and clicks it. By the mouse, so that what covers it, or is not to be seen, is a failure.
func (b *tab) click(selector string) {
	b.Helper()
	b.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// fill puts a text into a field, key by key.
func (b *tab) fill(selector, text string) {
	b.Helper()
	b.until(selector+" has the focus", fmt.Sprintf(`(e => { if (e) { e.value = ""; e.focus() } return e })(document.querySelector(%q))`, selector))
	b.press(text)
}

func (b *tab) press(keys string) {
	b.Helper()
	if keys != "" {
		b.do("press "+keys, chromedp.KeyEvent(keys))
	}
}

// value is what an expression is now.
func value[T any](b *tab, expression string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return v
}

// size makes the window so wide, and dark or not.
func (b *tab) size(width int64, theme string) {
	b.Helper()
	b.do("resize", chromedp.EmulateViewport(width, 900))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		b.Fatal(err)
	}
}

// shot keeps a picture of the whole page: in SLOTQ_SCREENSHOTS, else with the test's output.
func (b *tab) shot(name string) {
	b.Helper()
	dir := os.Getenv("SLOTQ_SCREENSHOTS")
	if dir == "" {
		dir = b.ArtifactDir()
	}
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644)
	}
	if err != nil {
		b.Errorf("a picture of %s: %v", name, err)
	}
}
