//go:build ignore

// This program paints photo.jpg, the picture that demo.thumbnail makes small: mountains at a lake at dusk, from noise,
// so that it compresses and scales as a photograph does and nobody owns it.
//
//	go run deploy/demo/photo.go > deploy/demo/photo.jpg
package main

import (
	"bufio"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"runtime"
	"sync"
)

const (
	width, height = 3600, 2400
	shore         = 0.66 // where the lake begins, as a part of the height
)

type rgb struct{ r, g, b float64 }

func (c rgb) mix(d rgb, t float64) rgb {
	t = math.Min(math.Max(t, 0), 1)
	return rgb{c.r + (d.r-c.r)*t, c.g + (d.g-c.g)*t, c.b + (d.b-c.b)*t}
}

// hash is a number in 0..1 for a grid point, always the same one.
func hash(x, y, seed int) float64 {
	h := uint64(uint32(x))*0x9e3779b97f4a7c15 ^ uint64(uint32(y))*0xc2b2ae3d27d4eb4f ^ uint64(seed)*0x165667b19e3779f9
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	return float64(h&0xffffff) / 0xffffff
}

// noise is smooth between grid points.
func noise(x, y float64, seed int) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy := int(fx), int(fy)
	tx, ty := x-fx, y-fy
	tx, ty = tx*tx*(3-2*tx), ty*ty*(3-2*ty)
	top := hash(ix, iy, seed)*(1-tx) + hash(ix+1, iy, seed)*tx
	low := hash(ix, iy+1, seed)*(1-tx) + hash(ix+1, iy+1, seed)*tx
	return top*(1-ty) + low*ty
}

// clouds adds octaves of noise, each finer and fainter.
func clouds(x, y float64, octaves, seed int) float64 {
	sum, weight, total := 0.0, 1.0, 0.0
	for range octaves {
		sum += weight * noise(x, y, seed)
		total += weight
		x, y, weight, seed = 2.03*x+17, 2.03*y+5, weight/2, seed+1
	}
	return sum / total
}

var (
	zenith  = rgb{38, 58, 110}
	horizon = rgb{250, 178, 120}
	cloud   = rgb{255, 214, 190}
	rock    = rgb{28, 32, 46}
	deep    = rgb{16, 26, 46}
)

// sky is the colour at a point above the lake.
func sky(x, y float64) rgb {
	c := zenith.mix(horizon, math.Pow(y/shore, 1.6))
	sun := math.Hypot(x-0.98, y-0.47)
	c = c.mix(rgb{255, 244, 214}, math.Exp(-sun*sun*90)+0.35*math.Exp(-sun*3))
	if cover := clouds(x*3, y*9, 6, 11); cover > 0.5 {
		c = c.mix(cloud, (cover-0.5)*2.4*(0.3+y))
	}
	return c
}

// scene is the colour above the shore: the sky behind five ridges, each nearer and darker than the one behind it.
func scene(x, y float64) rgb {
	c := sky(x, y)
	for ridge := range 5 {
		near := float64(ridge) / 4
		base := 0.40 + 0.22*near
		top := base - (0.20-0.10*near)*(clouds(x*(2.2+3*near)+float64(ridge)*31, float64(ridge)*7, 8, 100+ridge)-0.25)
		if y <= top {
			continue
		}
		haze := horizon.mix(zenith, 0.45).mix(rock, 0.25+0.75*near)
		depth := y - top
		light := 0.75 + 0.5*clouds(x*22+depth*9, y*40, 5, 200+ridge)
		stone := rgb{haze.r * light, haze.g * light, haze.b * light}
		c = stone.mix(horizon, 0.35*(1-near)*math.Min(depth*7, 1))
		if ridge < 3 && depth < 0.045 && clouds(x*60, y*60, 4, 300) > 0.52+depth*5 {
			c = c.mix(rgb{236, 226, 232}, 0.8-0.2*near)
		}
	}
	return c
}

// at is the colour of the pixel: the scene, or below the shore its image in the water.
func at(px, py int) color.RGBA {
	x, y := float64(px)/height, float64(py)/height
	var c rgb
	if y < shore {
		c = scene(x, y)
	} else {
		depth := (y - shore) / (1 - shore)
		wave := clouds(x*14, y*220/(0.3+depth), 4, 400) - 0.5
		c = scene(x+wave*0.02*depth, shore-(y-shore)*1.25+wave*0.05*(0.15+depth)).mix(deep, 0.22+0.5*depth)
		c = c.mix(rgb{255, 226, 190}, math.Max(wave-0.17, 0)*0.9)
	}
	edge := 1 - 0.28*(math.Pow(x/1.5-0.5, 2)+math.Pow(y-0.5, 2))*1.6
	grain := (hash(px, py, 900) - 0.5) * 3
	clip := func(v float64) uint8 { return uint8(math.Min(math.Max(v*edge+grain, 0), 255)) }
	return color.RGBA{clip(c.r), clip(c.g), clip(c.b), 255}
}

func main() {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	var wg sync.WaitGroup
	for part := range runtime.NumCPU() {
		wg.Go(func() {
			for y := part; y < height; y += runtime.NumCPU() {
				for x := range width {
					img.SetRGBA(x, y, at(x, y))
				}
			}
		})
	}
	wg.Wait()
	out := bufio.NewWriter(os.Stdout)
	err := jpeg.Encode(out, img, &jpeg.Options{Quality: 82})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "photo:", err)
		os.Exit(1)
	}
}
