package main

import (
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"os"
	"path"
)

// maxPixels bounds what a picture may unpack to: a file of a few kilobytes can claim to be gigabytes large.
const maxPixels = 100_000_000

func read(root *os.Root, name string) (*image.RGBA, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	config, err := jpeg.DecodeConfig(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is no JPEG: %w", errPayload, name, err)
	}
	if config.Width*config.Height > maxPixels {
		return nil, fmt.Errorf("%w: %s has %d x %d pixels, more than %d in all", errPayload, name, config.Width, config.Height, maxPixels)
	}
	if _, err := file.Seek(0, 0); err != nil {
		return nil, err
	}
	decoded, err := jpeg.Decode(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %s cannot be decoded: %w", errPayload, name, err)
	}
	picture := image.NewRGBA(image.Rect(0, 0, decoded.Bounds().Dx(), decoded.Bounds().Dy()))
	draw.Draw(picture, picture.Rect, decoded, decoded.Bounds().Min, draw.Src)
	return picture, nil
}

// shrink scales to the width, keeping the proportions; a picture that is small enough stays as it is. Each pixel is
// the mean of the box of pixels that it stands for: for a picture made several times smaller that is as good as the
// costlier filters.
func shrink(from *image.RGBA, width int) *image.RGBA {
	w, h := from.Rect.Dx(), from.Rect.Dy()
	if w <= width {
		return from
	}
	height := max((h*width+w/2)/w, 1)
	to := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		top, bottom := y*h/height, max((y+1)*h/height, y*h/height+1)
		for x := range width {
			left, right := x*w/width, max((x+1)*w/width, x*w/width+1)
			var sum [3]int
			for row := top; row < bottom; row++ {
				box := from.Pix[from.PixOffset(left, row) : from.PixOffset(right-1, row)+4]
				for i := 0; i < len(box); i += 4 {
					sum[0] += int(box[i])
					sum[1] += int(box[i+1])
					sum[2] += int(box[i+2])
				}
			}
			n := (bottom - top) * (right - left)
			at := to.PixOffset(x, y)
			for i := range sum {
				to.Pix[at+i] = uint8((sum[i] + n/2) / n)
			}
			to.Pix[at+3] = 255
		}
	}
	return to
}

// write encodes into a file beside the target and moves it there: a job may be killed at any time and run again, and
// what is found under the name is always whole.
func write(root *os.Root, name string, picture image.Image) (int64, error) {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return 0, err
	}
	part := fmt.Sprintf("%s.%d.part", name, os.Getpid())
	file, err := root.Create(part)
	if err != nil {
		return 0, err
	}
	defer root.Remove(part) // fails once it was moved
	if err := jpeg.Encode(file, picture, &jpeg.Options{Quality: 85}); err != nil {
		file.Close()
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return 0, err
	}
	if err := file.Close(); err != nil {
		return 0, err
	}
	return info.Size(), root.Rename(part, name)
}
