using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;

namespace Postrider.Core.Transport;

/// <summary>What <see cref="TlsOptions"/> say, made ready for a transport's client library: the files read, the check as a callback.</summary>
/// <remarks>Thread-safe. Lives as long as its transport; the certificates are freed with the process.</remarks>
public sealed class TlsClient
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private readonly X509Certificate2Collection? _authorities;
    private readonly bool _insecure;
    private volatile string? _refusal;

    /// <summary>Reads the files.</summary>
    /// <param name="options">Which files.</param>
    /// <param name="system">The transport's name, for the warning that verification is off.</param>
    /// <param name="logger">Where to warn.</param>
    /// <exception cref="MessagingConfigurationException">A file cannot be read, or is not what it is said to be.</exception>
    public TlsClient(TlsOptions options, string system, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(logger);
        _insecure = options.InsecureSkipVerification;
        if (_insecure)
        {
            logger.TlsNotVerified(system);
        }

        if (options.CaCertificate is { } authorities)
        {
            _authorities = Read(authorities, nameof(options.CaCertificate), static path =>
            {
                var certificates = new X509Certificate2Collection();
                certificates.ImportFromPemFile(path);
                return certificates.Count > 0 ? certificates : throw new CryptographicException("There is no PEM certificate in it.");
            });
        }

        if (options.ClientCertificate is { } client)
        {
            ClientCertificate = Read(client, nameof(options.ClientCertificate), path => LoadClientCertificate(path, options.ClientKey));
        }
        else if (options.ClientKey is not null)
        {
            throw new MessagingConfigurationException("TlsOptions.ClientKey is set without TlsOptions.ClientCertificate.");
        }
    }

    /// <summary>What this client shows when it is asked for a certificate, with its private key, or null.</summary>
    public X509Certificate2? ClientCertificate { get; }

    /// <summary>The versions that are spoken.</summary>
    public static SslProtocols Protocols => SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>Sets everything but the host name, which is the caller's to set.</summary>
    public void Apply(SslClientAuthenticationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.EnabledSslProtocols = Protocols;
        options.RemoteCertificateValidationCallback = Verify;
        if (ClientCertificate is not null)
        {
            options.ClientCertificates = [ClientCertificate];
        }
    }

    /// <summary>A <see cref="RemoteCertificateValidationCallback"/>: whether the server is the one that was asked for.</summary>
    public bool Verify(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        _refusal = _insecure ? null
            : certificate is null ? "the server shows none"
            : errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch) ? "it is for another host"
            : WhyUntrusted(certificate, chain, errors);
        return _refusal is null;
    }

    /// <summary>
    /// Why this client refused the server's certificate, if that is what lies behind the error, as a reason that waiting cannot mend; else null.
    /// </summary>
    public string? WhyRefused(Exception error)
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            if (cause is AuthenticationException)
            {
                return _refusal;
            }
        }

        return null;
    }

    private string? WhyUntrusted(X509Certificate certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (_authorities is null)
        {
            return errors == SslPolicyErrors.None ? null : Faults(chain);
        }

        // The platform has judged by the machine's authorities, which are not the ones to trust here.
        using var own = new X509Chain();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.AddRange(_authorities);
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        own.ChainPolicy.DisableCertificateDownloads = true;
        own.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        foreach (var sent in chain?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
        {
            own.ChainPolicy.ExtraStore.Add(sent.Certificate);
        }

        using var server = X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
        return own.Build(server) ? null : Faults(own);
    }

    private static string Faults(X509Chain? chain) =>
        "it is not valid (" + string.Join(", ", chain?.ChainStatus.Select(static one => one.Status.ToString()) ?? []) + ")";

    private static X509Certificate2 LoadClientCertificate(string path, string? key)
    {
        var certificate = Path.GetExtension(path) is ".pfx" or ".p12"
            ? X509CertificateLoader.LoadPkcs12FromFile(path, null)
            : X509Certificate2.CreateFromPemFile(path, key);
        if (!certificate.HasPrivateKey)
        {
            throw new CryptographicException("It has no private key.");
        }

        // Windows cannot use a key that exists in memory only.
        return OperatingSystem.IsWindows() ? X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null) : certificate;
    }

    private static T Read<T>(string path, string option, Func<string, T> read)
    {
        try
        {
            return read(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new MessagingConfigurationException($"TlsOptions.{option}: the file '{path}' cannot be used: {e.Message}", e);
        }
    }
}
