use anyhow::Result;
use crate::cluster::Cluster;
pub async fn server_starts(cluster: &mut Cluster) -> Result<()> {
    eprintln!("{}", cluster.api.kubectl_text(["version"])?);
    eprintln!("{}", cluster.api.kubectl_text(["get", "ns,sa,secret,deploy,rs,pod,mutatingwebhookconfigurations", "-A"])?);
    eprintln!("{}", cluster.api.kubectl_text(["get", "events", "-A"])?);
    Ok(())
}
