/** Templates, and what Prometheus 3.5 makes of them for the series x{a="b",instance="web-1.example.com:9100"} of value 1234567. */
export const TEMPLATE_CASES: Readonly<Record<string, string>> = {
  case0: '{{ $value }}',
  case1: '{{ 123456789.0 }} {{ 1e20 }} {{ 1e21 }} {{ 1e5 }} {{ 0.0001 }} {{ 0.00001 }} {{ 100000 }} {{ 1000000 }}',
  case2:
    '{{ printf "%.4g|%g|%v|%d|%d|%5.1f|%-8s|%08.3f|%+d|%x|%q|%t" 1234.5 1e6 1e6 5 1.5 2.25 "ab" 3.14159 7 255 "a\\"b" true }}',
  case3: '{{ printf "%.2f %.0f %.0f %.1f %.3e %e %G %6.2f|%-6.2f|" 0.125 0.5 1.5 0.25 123456.0 1.0 1e-7 3.14159 2.5 }}',
  case4:
    '{{ printf "%d %s" }} {{ printf "%d" "a" }} {{ printf "%s" 1.5 }} {{ printf "%!" }} {{ printf "a" 1 "b" }} {{ printf "%s %v" $labels.a $value }}',
  case5: '{{ printf "%5s|%-5s|%.2s|%c|%b|%o|%X|%T|%T" "ab" "cd" "xyz" 65 5 8 255 1 1.5 }}',
  case6: '{{ $labels }} {{ $labels.a }} [{{ $labels.none }}]',
  case7: '{{ .Labels.a }} {{ .Value }} {{ .ExternalURL }} {{ $externalURL }} {{ .ExternalLabels }}',
  case8:
    '{{ humanize 0.0 }} {{ humanize 1234567.0 }} {{ humanize 0.00001234 }} {{ humanize -1500 }} {{ humanize 1e30 }} {{ humanize "1e3" }} {{ humanize 999.99 }} {{ humanize 1000 }} {{ humanize 1234.5 }}',
  case9:
    '{{ humanize1024 0.0 }} {{ humanize1024 1048576 }} {{ humanize1024 1 }} {{ humanize1024 -2048.5 }} {{ humanize1024 1e30 }}',
  case10:
    '{{ humanizeDuration 0 }} {{ humanizeDuration 59.5 }} {{ humanizeDuration 60 }} {{ humanizeDuration 5400 }} {{ humanizeDuration 100000.7 }} {{ humanizeDuration 0.00123 }} {{ humanizeDuration -90 }} {{ humanizeDuration -3.456789 }}',
  case11:
    '{{ humanizePercentage 0.12345 }} {{ humanizePercentage 1 }} {{ humanizePercentage 0.99999 }} {{ humanizePercentage "0.5" }}',
  case12:
    '{{ humanizeTimestamp 1435065584.128 }} {{ humanizeTimestamp 0 }} {{ humanizeTimestamp 1.5e9 }} {{ toTime 1435065584.128 }} {{ humanizeTimestamp -1.5 }}',
  case13: '{{ humanizeTimestamp 1e10 }}',
  case14: '{{ title "aBC d_e f-g h.i 1x" }} {{ toUpper "aé" }} {{ toLower "ÀB" }}',
  case15:
    '{{ match "^a.*z$" "abcz" }} {{ match "x" "abc" }} {{ reReplaceAll "(\\\\w+)-(\\\\w+)" "$2_$1|${2}x$$|$1x" "ab-cd ef-gh" }} {{ reReplaceAll "b*" "X" "abbc" }}',
  case16: '{{ match "(" "x" }}',
  case17: '{{ reReplaceAll "[" "x" "y" }}',
  case18:
    '{{ stripPort "web:9100" }} {{ stripPort "web" }} {{ stripPort "[::1]:80" }} {{ stripPort "::1" }} {{ stripDomain "web.example.com:9100" }} {{ stripDomain "10.0.0.1:80" }} {{ stripDomain "a.b" }} {{ stripDomain $labels.instance }} {{ stripDomain "[::1]:80" }}',
  case19: '{{ graphLink "up == 0" }} {{ tableLink "a{b=\\"c d\\"}+1" }} {{ urlquery "a b&c/d?e=f" "é" }}',
  case20: '{{ parseDuration "1h30m" }} {{ parseDuration "5ms" }} {{ humanizeDuration (parseDuration "1d") }}',
  case21: '{{ parseDuration "x" }}',
  case22: '{{ externalURL }}|{{ pathPrefix }}|{{ safeHtml "<b>" }}',
  case23: '{{ first (query "nope") }}',
  case24:
    '{{ query "x" | first | label "a" }} {{ query "x" | first | value | humanize }} {{ (query "x" | first).Labels.a }} {{ (index (query "x") 0).Value }}',
  case25: '{{ range query "x" }}{{ . }}{{ .Labels }}{{ .Value }}{{ end }}',
  case26:
    '{{ range $i, $e := query "x" }}{{ $i }}{{ $e.Value | printf "%.0f" }}{{ else }}none{{ end }}{{ range 3 }}{{ . }}{{ end }}',
  case27: '{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}{{ range query "nope" }}x{{ else }}none{{ end }}',
  case28:
    '{{ range $i := query "vector(1) or label_replace(vector(2), \\"z\\", \\"y\\", \\"\\", \\"\\")" | sortByLabel "z" }}{{ .Labels.z }}:{{ $i.Value }} {{ end }}',
  case29:
    '{{ with query "x" }}{{ . | first | value }}{{ end }}{{ with query "nope" }}x{{ else }}empty{{ end }}{{ with "" }}a{{ else with "b" }}{{ . }}{{ end }}',
  case30:
    '{{ if gt $value 5.0 }}big{{ else if lt $value 1.0 }}small{{ else }}mid{{ end }} {{ if and (eq $labels.a "b") (ne $value 1.0) }}yes{{ end }}',
  case31: '{{ gt $value 5 }}',
  case32: '{{ eq 1 1.0 }}',
  case33:
    '{{ eq 1 1 2 }} {{ eq "a" "b" "a" }} {{ ne 1 2 }} {{ lt 1.5 2.5 }} {{ le "a" "b" }} {{ ge 2 2 }} {{ and 1 0 }} {{ or 0 "x" }} {{ not 0 }} {{ and true "z" 3 }}',
  case34: '{{ lt true false }}',
  case35: '{{ eq $labels $labels }}',
  case36: '{{ nil }}',
  case37: '{{ $labels.foo.bar }}',
  case38: '{{ template "nope" }}',
  case39:
    '{{ define "t" }}<{{ .arg0 }}-{{ .arg1 }}-{{ .arg2 }}>{{ end }}{{ template "t" (args 1 "a") }}{{ block "u" $value }}[{{ . }}]{{ end }}',
  case40: '{{ define "r" }}{{ if gt . 0 }}{{ . }}{{ end }}{{ end }}{{ template "r" 3 }}',
  case41: '{{ humanize "abc" }}',
  case42: '{{ humanize true }}',
  case43: '{{ index $labels 1 }}',
  case44: '{{ index $labels "a" }} {{ index (query "x") 5 }}',
  case45: '{{ .Foo }}',
  case46: '{{ label 1 2 }}',
  case47: '{{ label "a" "b" }}',
  case48: '{{ toUpper 5 }}',
  case49: '{{ title }}',
  case50:
    '{{ print 1 2 "a" "b" 3 nil }}|{{ println 1 "a" }}|{{ len "aé" }} {{ len $labels }} {{ slice "abcdef" 1 3 }} {{ html "<a&\'\\">" }} {{ js "a\'b<c\\n" }}',
  case51: '{{ $x := 5 }}{{ $x = 7 }}{{ $x }}{{ if true }}{{ $x := 9 }}{{ $x }}{{ end }}{{ $x }}',
  case52: 'a {{- /* note */ -}} b {{- " c " -}}   d{{/* x */}}',
  case53: '{{ range 5 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ if eq . 4 }}{{ break }}{{ end }}{{ . }}{{ end }}',
  case54: '{{ \'a\' }} {{ 0x1F }} {{ 1_000 }} {{ 017 }} {{ -5 }} {{ 1.50 }} {{ `raw\\n` }} {{ "tab\\tu\\u00e9" }}',
  case55:
    '{{ "x" | printf "%s-%s" "y" }} {{ printf "%v" (print "a" "b") }} {{ ("abc") }} {{ (len "abc") | printf "%03d" }}',
  case56: '{{ $value | humanize | toUpper | printf "%s!" }} {{ printf "%.1f" $value }} {{ printf "%s" $value }}',
  case57: '{{ len 5 }}',
  case58: '{{ len nil }}',
  case59: '{{ call "x" }}',
  case60: '{{ slice "abc" 2 1 }}',
  case61: '{{ query "sum(" }}',
  case62: '{{ args 1 "a" }} {{ (args 1).arg5 }}',
  case63: '{{ true }} {{ false }} {{ printf "%v %v" true nil }} {{ print true 1 }}',
  case64: '{{ strvalue (query "x" | first) }}|{{ value (first (query "x")) }}',
  case65: '{{ .Labels.a.b }}',
  case66: '{{ $value.foo }}',
  case67: '{{ 5 | len }}',
  case68: '{{ $value "a" }}',
  case69: '{{ "a" "b" }}',
  case70: 'plain text without anything',
};

/** Where what is said differs: words of other libraries, and a panic that only promtool has. */
export const SAID_OTHERWISE: ReadonlySet<string> = new Set(['case16', 'case17', 'case22', 'case58', 'case59']);
