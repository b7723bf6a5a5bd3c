{{- define "angzarr.name" -}}
{{ .Values.instance }}-operator
{{- end }}

{{- define "angzarr.account" -}}
{{ .Values.serviceAccountName | default (include "angzarr.name" .) }}
{{- end }}

{{- define "angzarr.selector" -}}
app.kubernetes.io/name: angzarr-operator
app.kubernetes.io/instance: {{ .Values.instance }}
{{- end }}

{{- define "angzarr.labels" -}}
{{ include "angzarr.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "angzarr.image" -}}
{{ .Values.imageRepository }}
{{- if .Values.imageDigest }}@{{ .Values.imageDigest }}{{ else }}:{{ .Values.imageTag | default .Chart.AppVersion }}{{ end }}
{{- end }}
