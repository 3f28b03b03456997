// Package browser opens the report's page in Chromium, for the tests of the page and for the pictures of
// the sample report.
package browser

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// EnvPath names the environment variable with the path of the browser; without it, Start searches the PATH.
const EnvPath = "ALARMTRIAGE_CHROMIUM"

var errNoBrowser = errors.New("no Chromium or Google Chrome found: " +
	"run `bash scripts/chromium.sh` to install one, or set " + EnvPath + " to its path")

// Browser is a running Chromium.
type Browser struct {
	ctx  context.Context
	stop []context.CancelFunc
}

// Start starts a browser that connects to nothing but local addresses.
func Start(ctx context.Context) (*Browser, error) {
	path, err := executable()
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // Chromium's own sandbox does not run as root
		chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("font-render-hinting", "none"),
	)
	b := &Browser{}
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	b.ctx, b.stop = allocator, append(b.stop, stopAllocator)
	first, stopFirst := chromedp.NewContext(allocator)
	b.ctx, b.stop = first, append(b.stop, stopFirst)
	if err := chromedp.Run(first); err != nil {
		b.Close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return b, nil
}

func executable() (string, error) {
	if path := os.Getenv(EnvPath); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("%s: %w", EnvPath, err)
		}
		return path, nil
	}
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
		"/Applications/Chromium.app/Contents/MacOS/Chromium",
	} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoBrowser
}

// Close stops the browser.
func (b *Browser) Close() {
	for i := len(b.stop) - 1; i >= 0; i-- {
		b.stop[i]()
	}
}

// Look is a screen or a printed page.
type Look struct {
	Width, Height int // of the screen, in CSS pixels
	Dark          bool
	Print         bool
	Scale         float64 // pixels of a picture per CSS pixel; 0 means 1
	Touch         bool    // a phone or a tablet
}

// Phone and Desktop are the screens that the page is designed for.
var (
	Phone   = Look{Width: 360, Height: 780, Touch: true}
	Desktop = Look{Width: 1280, Height: 900}
)

// InDark returns the look in the dark color scheme.
func (l Look) InDark() Look { l.Dark = true; return l }

// Tab opens an empty tab; end closes it.
func (b *Browser) Tab() (tab context.Context, end context.CancelFunc) {
	return chromedp.NewContext(b.ctx)
}

// Set applies the look to a tab.
func (l Look) Set() chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		scheme, media := "light", ""
		if l.Dark {
			scheme = "dark"
		}
		if l.Print {
			media = "print"
		}
		scale := l.Scale
		if scale == 0 {
			scale = 1
		}
		screen := emulation.SetDeviceMetricsOverride(int64(l.Width), int64(l.Height), scale, l.Touch)
		if err := screen.Do(ctx); err != nil {
			return fmt.Errorf("set the screen: %w", err)
		}
		features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
		if err := emulation.SetEmulatedMedia().WithMedia(media).WithFeatures(features).Do(ctx); err != nil {
			return fmt.Errorf("set the medium: %w", err)
		}
		return nil
	})
}

// Picture takes a PNG of the page that is height CSS pixels high; 0: the whole page.
func (l Look) Picture(png *[]byte, height int) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		_, _, _, _, _, content, err := page.GetLayoutMetrics().Do(ctx)
		if err != nil {
			return fmt.Errorf("measure the page: %w", err)
		}
		if height == 0 {
			height = int(content.Height)
		}
		clip := &page.Viewport{Width: float64(l.Width), Height: float64(height), Scale: 1}
		*png, err = page.CaptureScreenshot().WithClip(clip).WithCaptureBeyondViewport(true).Do(ctx)
		return err
	})
}

// PDF prints the page on A4 without backgrounds, as browsers do by default.
func PDF(pdf *[]byte) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) (err error) {
		*pdf, _, err = page.PrintToPDF().WithPaperWidth(8.27).WithPaperHeight(11.69).WithPreferCSSPageSize(true).
			WithMarginTop(0.4).WithMarginBottom(0.4).WithMarginLeft(0.4).WithMarginRight(0.4).Do(ctx)
		return err
	})
}

// Address returns a page as a data URL.
func Address(html []byte) string {
	return "data:text/html;base64," + base64.StdEncoding.EncodeToString(html)
}
