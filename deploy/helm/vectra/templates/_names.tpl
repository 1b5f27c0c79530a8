{{/* The name that all others begin with; a StatefulSet's may have 52 letters. */}}
{{- define "vectra.name" -}}
{{ .Release.Name | replace "." "-" | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Labels by which the parts of this release are found. */}}
{{- define "vectra.labels" -}}
app.kubernetes.io/name: vectra
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* HTTP addresses of all coordinators, by the names of their pods. */}}
{{- define "vectra.coordinators.http" -}}
{{- $service := printf "%s-coordinator" (include "vectra.name" .) }}
{{- range $number := until (int .Values.coordinator.count) }}
{{- if $number }},{{ end }}http://{{ $service }}-{{ $number }}.{{ $service }}:8000
{{- end }}
{{- end }}

{{/* Their gRPC addresses. */}}
{{- define "vectra.coordinators.grpc" -}}
{{- $service := printf "%s-coordinator" (include "vectra.name" .) }}
{{- range $number := until (int .Values.coordinator.count) }}
{{- if $number }},{{ end }}{{ $service }}-{{ $number }}.{{ $service }}:8100
{{- end }}
{{- end }}
