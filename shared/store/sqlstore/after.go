package sqlstore

import "strings"

// after is the condition that rows in the order of the columns come behind the given values.
func after(d Dialect, columns []string, values []any, descending bool) (string, []any) {
	op := ">"
	if descending {
		op = "<"
	}
	if d.RowCompare {
		return "(" + strings.Join(columns, ", ") + ") " + op + " (" + strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ") + ")", values
	}
	// a > ? OR a = ? AND (b > ? OR b = ? AND …): MySQL and MariaDB make index ranges of this, not of a row comparison.
	var b strings.Builder
	var args []any
	for i, c := range columns {
		if i > 0 {
			b.WriteString(" OR " + columns[i-1] + " = ? AND ")
			args = append(args, values[i-1])
		}
		b.WriteString("(" + c + " " + op + " ?")
		args = append(args, values[i])
	}
	b.WriteString(strings.Repeat(")", len(columns)))
	return b.String(), args
}

func (s *Store) after(columns []string, values []any, descending bool) (string, []any) {
	return after(s.db.Dialect(), columns, values, descending)
}
