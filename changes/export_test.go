package changes

// ParseRow takes one line apart as a feed's reader does, twice: as a row, and as one of no interest.
func ParseRow(line []byte) (row Row, skippedSeq string, err error) {
	r, err := parseRow(line)
	if err != nil {
		return Row{}, "", err
	}
	skipped, err := parseSkipped(line)
	if err != nil {
		return Row{}, "", err
	}
	if r.closing {
		return Row{Seq: seqText(r.seq)}, seqText(skipped.seq), nil
	}
	var b batch
	b.add(r)
	rows, _ := b.take()
	return rows[0], seqText(skipped.seq), nil
}
