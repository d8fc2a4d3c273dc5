using System.Text;
using System.Text.Json;
using NATS.NKeys;
using Postrider.Brokers;

namespace Postrider.Transports.Nats.Tests;

/// <summary>Keys, and logging in with them to real servers.</summary>
public sealed class LoginTests
{
    // Of the documentation of NATS: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth
    private const string Seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    private const string PublicKey = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

    [Fact]
    public void A_known_seed_has_its_known_public_key_and_comes_back()
    {
        using var pair = KeyPair.FromSeed(Seed);

        Assert.Equal((PublicKey, Seed), (pair.GetPublicKey(), pair.GetSeed()));
    }

    [Fact]
    public void A_known_seed_signs_as_the_standard_says()
    {
        // RFC 8032, 7.1, test 2: seed, message, signature.
        var seed = Convert.FromHexString("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        using var pair = KeyPair.FromSeed(Text(seed));
        var signature = new byte[64];

        pair.Sign(new byte[] { 0x72 }, signature);

        Assert.Equal(
            "92A009A9F0D4CAB8720E820B5F642540A2B27B5416503F8FB3762223EBDB69DA085AC1E43E15996E458F3613D0F11D8C387B2EAEB4302AEEB00D291612BB0C00",
            Convert.ToHexString(signature));
    }

    [Theory]
    [InlineData("", "58 characters")]
    [InlineData("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3V", "58 characters")]
    [InlineData("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3V1", "58 characters")]
    [InlineData("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VA", "checksum")]
    [InlineData("suacssl3uahudxkfsnvuzrf5uhpmwz6bfdtj7m6usdxiednppqyyycu3vy", "58 characters")]
    public void What_is_no_seed_is_refused_and_not_repeated(string text, string why)
    {
        var error = Assert.Throws<NKeysException>(() => KeyPair.FromSeed(text));

        Assert.Contains(why, error.Message, StringComparison.Ordinal);
        Assert.True(text.Length == 0 || !error.Message.Contains(text[4..20], StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void Every_kind_has_its_letters()
    {
        foreach (var kind in "OAUNC")
        {
            using var pair = KeyPair.Create(kind);
            Assert.Equal(('S', kind, kind), (pair.GetSeed()[0], pair.GetSeed()[1], pair.GetPublicKey()[0]));
        }

        Assert.Throws<NKeysException>(() => KeyPair.Create('X'));
    }

    [Fact]
    public async Task An_nkey_logs_in_and_another_does_not()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        using var user = KeyPair.Create('U');
        using var stranger = KeyPair.Create('U');
        await using var server = await StartAsync($"authorization {{ users: [ {{ nkey: {user.GetPublicKey()} }} ] }}\n");
        var url = Url(server);
        var file = Path.Combine(server.Folder, "user.nk");
        await File.WriteAllTextAsync(file, $"# a comment\n{user.GetSeed()}\n");

        await WorksAsync(new() { ConnectionString = url, NKeySeed = user.GetSeed() });
        await WorksAsync(new() { ConnectionString = url, NKeyFile = file });
        await RefusedAsync(new() { ConnectionString = url, NKeySeed = stranger.GetSeed() });
        await RefusedAsync(new() { ConnectionString = url, NKeyFile = file + ".missing" });
        await RefusedAsync(new() { ConnectionString = url, NKeySeed = user.GetSeed()[..^1] + "!" });
        await RefusedAsync(new() { ConnectionString = url });
    }

    [Fact]
    public async Task A_token_logs_in_and_another_does_not()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var server = await StartAsync("authorization { token: \"t0ken\" }\n");

        await WorksAsync(new() { ConnectionString = Url(server), Token = "t0ken" });
        await WorksAsync(new() { ConnectionString = Url(server).Replace("//", "//t0ken@", StringComparison.Ordinal) });
        await RefusedAsync(new() { ConnectionString = Url(server), Token = "other" });
    }

    [Fact]
    public async Task A_credentials_file_logs_in_until_it_expires()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        using var op = KeyPair.Create('O');
        using var system = KeyPair.Create('A');
        using var account = KeyPair.Create('A');
        using var user = KeyPair.Create('U');
        const string limits = """{"subs":-1,"conn":-1,"leaf":-1,"imports":-1,"exports":-1,"data":-1,"payload":-1,"wildcards":true,"mem_storage":-1,"disk_storage":-1,"streams":-1,"consumer":-1}""";
        var operatorJwt = Jwt(op, op.GetPublicKey(), "op", $$"""{"type":"operator","version":2,"system_account":"{{system.GetPublicKey()}}"}""");
        var systemJwt = Jwt(op, system.GetPublicKey(), "SYS", """{"type":"account","version":2,"limits":{"subs":-1,"conn":-1,"leaf":-1,"imports":-1,"exports":-1,"data":-1,"payload":-1,"wildcards":true}}""");
        var accountJwt = Jwt(op, account.GetPublicKey(), "app", $$"""{"type":"account","version":2,"limits":{{limits}}}""");
        await using var server = await StartAsync($$"""
            operator: {{operatorJwt}}
            system_account: {{system.GetPublicKey()}}
            resolver: MEMORY
            resolver_preload: {
              {{system.GetPublicKey()}}: {{systemJwt}}
              {{account.GetPublicKey()}}: {{accountJwt}}
            }

            """);
        const string claims = """{"type":"user","version":2,"subs":-1,"data":-1,"payload":-1}""";
        var file = Path.Combine(server.Folder, "user.creds");

        await WriteAsync(file, Jwt(account, user.GetPublicKey(), "me", claims), user);
        await WorksAsync(new() { ConnectionString = Url(server), CredentialsFile = file });

        await WriteAsync(file, Jwt(account, user.GetPublicKey(), "me", claims, expires: 1_000_000_000), user);
        await RefusedAsync(new() { ConnectionString = Url(server), CredentialsFile = file });
        await File.WriteAllTextAsync(file, "no credentials");
        await RefusedAsync(new() { ConnectionString = Url(server), CredentialsFile = file });
    }

    private static Task<PrivateBroker> StartAsync(string settings) => PrivateBroker.StartNewAsync(
        "nats", Conformance.NatsFixture.Connect, folder => File.WriteAllText(Path.Combine(folder.FullName, "extra.conf"), settings));

    private static string Url(PrivateBroker server) => $"nats://127.0.0.1:{new Uri(server.ConnectionString).Port}";

    private static async Task WorksAsync(NatsOptions options)
    {
        await using var transport = new NatsTransport(options);
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.SendAsync(queue, Server.Message("x"))).Status);
    }

    private static async Task RefusedAsync(NatsOptions options)
    {
        await using var transport = new NatsTransport(options);
        var error = await Assert.ThrowsAsync<TransportException>(() => transport.DeclareAsync([]).AsTask());
        Assert.Equal((TransportError.CredentialsRefused, true, 77), (error.Reason, error.IsFatal, error.ExitCode));
    }

    private static Task WriteAsync(string path, string jwt, KeyPair user) => File.WriteAllTextAsync(path, $"""
        -----BEGIN NATS USER JWT-----
        {jwt}
        ------END NATS USER JWT------

        -----BEGIN USER NKEY SEED-----
        {user.GetSeed()}
        ------END USER NKEY SEED------

        """);

    private static string Jwt(KeyPair issuer, string subject, string name, string nats, long? expires = null)
    {
        var exp = expires is null ? "" : $"\"exp\":{expires},";
        var header = Base64("""{"typ":"JWT","alg":"ed25519-nkey"}""");
        var body = Base64($$"""{{{exp}}"jti":"{{Guid.NewGuid():N}}","iat":{{DateTimeOffset.UnixEpoch.AddYears(50).ToUnixTimeSeconds()}},"iss":"{{issuer.GetPublicKey()}}","name":{{JsonSerializer.Serialize(name)}},"sub":"{{subject}}","nats":{{nats}}}""");
        var signature = new byte[64];
        issuer.Sign(Encoding.ASCII.GetBytes($"{header}.{body}"), signature);
        return $"{header}.{body}.{Base64(signature)}";
    }

    private static string Base64(string text) => Base64(Encoding.UTF8.GetBytes(text));

    private static string Base64(byte[] data) => Convert.ToBase64String(data).TrimEnd('=').Replace('+', '-').Replace('/', '_');

    /// <summary>The text of a user's seed.</summary>
    private static string Text(byte[] seed)
    {
        byte[] raw = [(18 << 3) | (20 >> 2), unchecked((byte)(20 << 6)), .. seed];
        var crc = 0;
        foreach (var one in raw)
        {
            crc ^= one << 8;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = ((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xFFFF;
            }
        }

        raw = [.. raw, (byte)crc, (byte)(crc >> 8)];
        const string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        var bits = string.Concat(raw.Select(one => Convert.ToString(one, 2).PadLeft(8, '0')));
        bits = bits.PadRight((bits.Length + 4) / 5 * 5, '0');
        return string.Concat(Enumerable.Range(0, bits.Length / 5).Select(i => alphabet[Convert.ToInt32(bits.Substring(i * 5, 5), 2)]));
    }
}
