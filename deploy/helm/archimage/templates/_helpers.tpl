{{- define "archimage.name" -}}
{{- if contains "archimage" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-archimage" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "archimage.selector" -}}
app.kubernetes.io/name: archimage
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "archimage.labels" -}}
{{ include "archimage.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "archimage.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What a container of the archive may do on its machine: nothing. */}}
{{- define "archimage.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* What nodes are set by; secrets are files. */}}
{{- define "archimage.environment" -}}
- name: ARCHIMAGE__NODE__NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: ARCHIMAGE__INDEX__URL
  value: {{ .Values.index.url | quote }}
- name: ARCHIMAGE__INDEX__PASSWORD_FILE
  value: /run/secrets/index/{{ .Values.index.secretKey }}
- name: ARCHIMAGE__OBJECT_STORE__URL
  value: {{ .Values.objectStore.url | quote }}
- name: ARCHIMAGE__OBJECT_STORE__MODE
  value: {{ .Values.objectStore.mode }}
{{- with .Values.objectStore.endpoint }}
- name: ARCHIMAGE__OBJECT_STORE__ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with .Values.objectStore.region }}
- name: ARCHIMAGE__OBJECT_STORE__REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.objectStore.keyId }}
- name: ARCHIMAGE__OBJECT_STORE__KEY_ID
  value: {{ . | quote }}
{{- end }}
{{- if .Values.objectStore.secret }}
- name: ARCHIMAGE__OBJECT_STORE__SECRET_FILE
  value: /run/secrets/object-store/{{ .Values.objectStore.secretKey }}
{{- end }}
{{- if .Values.tls.secret }}
- name: ARCHIMAGE__TLS__CERTIFICATE
  value: /run/secrets/tls/tls.crt
- name: ARCHIMAGE__TLS__KEY
  value: /run/secrets/tls/tls.key
{{- end }}
- name: ARCHIMAGE__HL7__ENABLED
  value: {{ .Values.hl7.enabled | quote }}
{{- with .Values.proxyFrom }}
- name: ARCHIMAGE__DICOM__PROXY_FROM
  value: {{ join "," . | quote }}
- name: ARCHIMAGE__HL7__PROXY_FROM
  value: {{ join "," . | quote }}
{{- end }}
- name: ARCHIMAGE__DICOM__GRACE_S
  value: {{ .Values.graceSeconds | quote }}
{{- if .Values.ingress.enabled }}
- name: ARCHIMAGE__HTTP__PUBLIC_URL
  value: {{ printf "%s://%s" (ternary "https" "http" (ne .Values.ingress.tlsSecret "")) .Values.ingress.host | quote }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "archimage.mounts" -}}
- name: spool
  mountPath: /data
- name: tmp
  mountPath: /tmp
- name: index
  mountPath: /run/secrets/index
  readOnly: true
{{- if .Values.objectStore.secret }}
- name: object-store
  mountPath: /run/secrets/object-store
  readOnly: true
{{- end }}
{{- if .Values.tls.secret }}
- name: tls
  mountPath: /run/secrets/tls
  readOnly: true
{{- end }}
{{- end }}
