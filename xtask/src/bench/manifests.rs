//! Manifests for the benchmark: one service per file, no two alike, the same on every machine.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use crate::paths;

/// A folder of the cache with that many files.
pub fn folder(count: usize) -> Result<PathBuf> {
    let folder = paths::cache()?.join("bench").join(format!("manifests-{count}"));
    for number in 0..count {
        // A namespace for each team; nobody keeps ten thousand files in one folder.
        let path = folder.join(format!("team-{:02}/service-{number:05}.yaml", number % 50));
        paths::write(&path, service(number).as_bytes())?;
    }
    Ok(folder)
}

/// A Deployment and its Service; every second one has a PodDisruptionBudget, every third an
/// autoscaler, every fifth a ConfigMap.
fn service(number: usize) -> String {
    let (name, namespace) = (format!("service-{number:05}"), format!("team-{:02}", number % 50));
    let (replicas, memory) = (2 + number % 4, 128 << (number % 4));
    let mut text = format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{app.kubernetes.io/name: {name}, app.kubernetes.io/part-of: shop}}
spec:
  replicas: {replicas}
  revisionHistoryLimit: 3
  selector:
    matchLabels: {{app.kubernetes.io/name: {name}}}
  strategy:
    rollingUpdate: {{maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata:
      labels: {{app.kubernetes.io/name: {name}, app.kubernetes.io/part-of: shop}}
    spec:
      terminationGracePeriodSeconds: {grace}
      securityContext: {{runAsNonRoot: true, runAsUser: 65532, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: {name}
          image: registry.example/shop/{name}:1.{minor}.{number}
          ports:
            - {{name: http, containerPort: 8080}}
            - {{name: metrics, containerPort: 9090}}
          env:
            - {{name: LISTEN_ADDR, value: \":8080\"}}
            - {{name: GOMEMLIMIT, value: {limit}MiB}}
            - name: POD_NAME
              valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}
          resources:
            requests: {{cpu: 100m, memory: {memory}Mi}}
            limits: {{cpu: \"1\", memory: {memory}Mi}}
          readinessProbe:
            httpGet: {{path: /readyz, port: http}}
            periodSeconds: 5
          livenessProbe:
            httpGet: {{path: /livez, port: http}}
            periodSeconds: 10
          lifecycle:
            preStop: {{sleep: {{seconds: 5}}}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{app.kubernetes.io/name: {name}}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
",
        grace = 30 + 15 * (number % 3),
        minor = number % 20,
        limit = memory * 9 / 10,
    );
    // Writing into a String cannot fail.
    if number.is_multiple_of(2) {
        let _ = write!(
            text,
            "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             spec:\n  maxUnavailable: 1\n  selector:\n    matchLabels: {{app.kubernetes.io/name: {name}}}\n"
        );
    }
    if number.is_multiple_of(3) {
        let _ = write!(
            text,
            "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             spec:\n  minReplicas: 2\n  maxReplicas: 10\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}\n  \
             metrics:\n    - type: Resource\n      resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 70}}}}\n"
        );
    }
    if number.is_multiple_of(5) {
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             data:\n  config.yaml: |\n    upstream: http://inventory.shop.svc:8080\n    retries: {}\n",
            number % 7
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_differ_and_stay_the_same() {
        assert_eq!(service(7), service(7));
        assert_ne!(service(7), service(8));
        assert_eq!(service(30).matches("\n---\n").count(), 4, "{}", service(30));
        assert_eq!(service(1).matches("\n---\n").count(), 1);
    }
}
