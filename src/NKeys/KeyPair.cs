using System.Buffers.Binary;
using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Math.EC.Rfc8032;

namespace NATS.NKeys;

/// <summary>A key pair of NATS: Ed25519, its seed and public key written as base32 with a prefix for its kind and a checksum.</summary>
/// <remarks>Not thread-safe. Dispose of it: the seed is then wiped.</remarks>
public sealed class KeyPair : IDisposable
{
    private const int SeedPrefix = 18 << 3;
    private const int KeyLength = 32;
    private readonly byte[] _seed;
    private readonly byte _kind;

    private KeyPair(byte[] seed, byte kind) => (_seed, _kind) = (seed, kind);

    /// <summary>Reads a seed as <c>nk</c> and <c>nsc</c> write it: <c>SU…</c>, <c>SA…</c>, <c>SO…</c>.</summary>
    /// <exception cref="NKeysException">It is none. The text tells nothing of it.</exception>
    public static KeyPair FromSeed(ReadOnlySpan<char> seed)
    {
        Span<byte> raw = stackalloc byte[2 + KeyLength + 2];
        try
        {
            if (!Base32.TryDecode(seed, raw))
            {
                throw new NKeysException("The seed cannot be read: it has 58 characters A-Z and 2-7.");
            }

            if (BinaryPrimitives.ReadUInt16LittleEndian(raw[^2..]) != Checksum(raw[..^2]))
            {
                throw new NKeysException("The seed is damaged: its checksum does not fit.");
            }

            if ((raw[0] & 0xF8) != SeedPrefix)
            {
                throw new NKeysException("This is no seed: a seed begins with 'S'. Was the public key given in its place?");
            }

            var kind = (byte)(((raw[0] & 7) << 5) | (raw[1] >> 3));
            if (!IsKind(kind))
            {
                throw new NKeysException("The seed is of an unknown kind: operator, account, user, server and cluster are known.");
            }

            return new(raw[2..^2].ToArray(), kind);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(raw);
        }
    }

    /// <summary>A new key pair.</summary>
    /// <param name="kind">The first letter of its public key: <c>O</c>perator, <c>A</c>ccount, <c>U</c>ser, <c>N</c> server, <c>C</c>luster.</param>
    /// <exception cref="NKeysException">Another letter.</exception>
    public static KeyPair Create(char kind)
    {
        var prefix = kind is >= 'A' and <= 'Z' ? (byte)((kind - 'A') << 3) : (byte)0xFF;
        return IsKind(prefix) ? new(RandomNumberGenerator.GetBytes(KeyLength), prefix) : throw new NKeysException("The kind is O, A, U, N or C.");
    }

    /// <summary>The seed's text. Keep it secret.</summary>
    public string GetSeed()
    {
        Span<byte> raw = stackalloc byte[2 + KeyLength + 2];
        raw[0] = (byte)(SeedPrefix | (_kind >> 5));
        raw[1] = (byte)((_kind & 31) << 3);
        _seed.CopyTo(raw[2..]);
        BinaryPrimitives.WriteUInt16LittleEndian(raw[^2..], Checksum(raw[..^2]));
        var text = Base32.Encode(raw);
        CryptographicOperations.ZeroMemory(raw);
        return text;
    }

    /// <summary>The public key's text.</summary>
    public string GetPublicKey()
    {
        Span<byte> raw = stackalloc byte[1 + KeyLength + 2];
        raw[0] = _kind;
        new Ed25519PrivateKeyParameters(_seed).GeneratePublicKey().Encode(raw[1..]);
        BinaryPrimitives.WriteUInt16LittleEndian(raw[^2..], Checksum(raw[..^2]));
        return Base32.Encode(raw);
    }

    /// <summary>Signs.</summary>
    /// <param name="message">What to sign.</param>
    /// <param name="signature">Receives the 64 bytes.</param>
    public void Sign(ReadOnlyMemory<byte> message, Memory<byte> signature)
    {
        if (signature.Length < Ed25519.SignatureSize)
        {
            throw new NKeysException($"A signature has {Ed25519.SignatureSize} bytes; there is room for {signature.Length}.");
        }

        var result = new byte[Ed25519.SignatureSize];
        Ed25519.Sign(_seed, 0, message.ToArray(), 0, message.Length, result, 0);
        result.CopyTo(signature);
    }

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_seed);

    private static bool IsKind(byte prefix) => prefix is (14 << 3) or 0 or (20 << 3) or (13 << 3) or (2 << 3);

    /// <summary>CRC-16 with the polynomial 0x1021, as XMODEM has it.</summary>
    private static ushort Checksum(ReadOnlySpan<byte> data)
    {
        var crc = 0;
        foreach (var one in data)
        {
            crc ^= one << 8;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = ((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xFFFF;
            }
        }

        return (ushort)crc;
    }
}
