namespace Postrider;

/// <summary>How a connection to a broker is secured. The same for every transport; files are read once, when the transport is made.</summary>
/// <remarks>
/// TLS 1.2 or newer. The server's certificate is checked: its chain, its dates and its host name. A connection that asks for TLS never
/// falls back to plain text.
/// </remarks>
public sealed record TlsOptions
{
    /// <summary>
    /// The path of a PEM file with the certificate authorities to trust, and only those. Null: those that the machine trusts.
    /// Revocation lists are not asked for.
    /// </summary>
    public string? CaCertificate { get; init; }

    /// <summary>The path of this client's certificate, for brokers that ask for one: PEM, or PKCS #12 (<c>.pfx</c>, <c>.p12</c>) without a password.</summary>
    public string? ClientCertificate { get; init; }

    /// <summary>The path of the certificate's private key, PEM without a password. Null: it is in the file of the certificate.</summary>
    public string? ClientKey { get; init; }

    /// <summary>
    /// INSECURE: takes any certificate, so whoever sits on the network can read and forge everything. For trying things out; it is logged
    /// as a warning each time a transport is made.
    /// </summary>
    public bool InsecureSkipVerification { get; init; }
}
