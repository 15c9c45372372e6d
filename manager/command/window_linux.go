package command

import (
	"os"
	"syscall"
	"unsafe"
)

// windowSize asks the terminal; 0 = it does not know.
func windowSize(f *os.File) (columns, rows int) {
	var size struct{ rows, columns, x, y uint16 }
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size))); errno != 0 {
		return 0, 0
	}
	return int(size.columns), int(size.rows)
}
